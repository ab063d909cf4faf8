# SPDX-License-Identifier: Apache-2.0
"""What a payer, a network or whoever stands between can do wrong; and what the program may make of each.

A fault stands before one stage of the payer (payer.py) and takes so many requests, or all until it is healed. It says
how often in a row the program must bear it (`bears`), with which codes it may end when it lasts longer, and by which
words a person must be able to tell why."""
import re

from hosts import Reply
from payer import as_json, outcome, zipped

ALWAYS = 1 << 30
STAGES = ("discovery", "metadata", "token", "kickoff", "status", "manifest", "page", "file", "delete")
# By which words a person can tell. They are looked for in what the program's last message says of the cause, and in the
# log's events of what failed, URLs left out: causes.py; none of them may be in what an undisturbed run says.
RESET = (r"[Cc]onnection (was |)reset|connection broke|closed the connection|connection ended before|Empty reply|"
         r"transfer closed|Broken pipe|unexpected eof|SSL_ERROR_SYSCALL|partial file")
REJECTED = r"\d bad lines?\b|the manifest says \d+ resources"
SILENCE = r"answer in time|no connection in time|stopped coming|timed out|too slow"
# stage: (codes when no answer can be had, how many such a row it bears)
NETWORK = {"discovery": ({5}, 0), "metadata": ({0}, ALWAYS), "token": ({5}, 2), "kickoff": ({5}, 0), "status": ({5}, 9),
           "manifest": ({5}, 9), "page": ({5}, 9), "file": ({4, 5, 6}, 7), "delete": ({0}, ALWAYS)}
# the same for an answer that is no sense
NONSENSE = {"discovery": ({4}, 0), "metadata": ({0}, ALWAYS), "token": ({4}, 0), "kickoff": ({4}, 0),
            "status": ({4}, 0), "manifest": ({4}, 0), "page": ({4}, 0), "file": ({4, 6}, 7), "delete": ({0}, ALWAYS)}


class Fault:
    def __init__(self, name, stage, act, codes, bears=0, words="", times=ALWAYS, after=(0,), path=None):
        """act(payer, wire, request) -> Reply, or None when it has done with the connection.
        `after`: how a resume may end when the fault is gone. Without `words` it must be borne whatever it does."""
        assert words or not set(codes) - {0}, f"{name}: how is a person to tell?"
        self.name, self.stage, self._act, self.codes, self.bears = name, stage, act, set(codes), bears
        self.words, self.times, self.after, self.path = words, times, set(after), path
        self.fired, self.now, self.set_up, self.fit, self.begin, self.heal = 0, 0, None, None, None, None
        # fired: ever; now: in the program's run that is under way, or was the last
        # set_up(payer): what it changes before anything begins; fit(payer): what it bears there
        # begin(payer), heal(payer): when it comes to stand before the payer, and when it goes
        self.uncounted = False  # befalls tries that reach nobody
        self.unseen = False  # befalls every run, before anybody could count it

    def wants(self, stage, where):
        """`where`: a request; or of stage "connect" a host."""
        named = where.name if stage == "connect" else where.path
        return stage == self.stage and self.fired < self.times and (self.path is None or re.search(self.path, named))

    def note(self):
        self.fired, self.now = self.fired + 1, self.now + 1

    def act(self, payer, wire, request):
        return self._act(payer, wire, request)

    @property
    def lasts(self):
        return self.times >= ALWAYS

    def __str__(self):
        return f"{self.name} at {self.stage}, {'always' if self.lasts else f'{self.times} times'} (fired {self.fired})"


def how_often(rng, bears):
    """Mostly once or twice; or what it must just bear, or one more, or always."""
    some = rng.choice([1, 1, 1, 2, 3, ALWAYS])
    return min(bears, 3) if rng.random() < 0.2 and 0 < bears < ALWAYS else some


def any_stage(rng, without=()):
    return rng.choice([s for s in STAGES if s not in without])


# the network

DRIPS = 100  # bytes of an answer that come one by one

def at_any_byte(rng):
    """So many bytes of an honest answer, and then `end`."""
    part, stage = rng.random(), any_stage(rng)
    name = rng.choice(["reset", "cut", "stall"])
    codes, bears = NETWORK[stage]

    def act(payer, wire, request):
        head, body = payer.usual(request).encoded()
        whole = head + body
        wire.send(whole[:int(part * len(whole))])
        getattr(wire, name)()
    return Fault(f"{name} after {part:.2f} of an answer", stage, act, codes | ({0} if part > 0.99 else set()), bears,
                 SILENCE if name == "stall" else RESET, how_often(rng, bears))


def before_the_answer(rng):
    name, stage = rng.choice(["reset", "cut", "stall", "end"]), any_stage(rng)
    codes, bears = NETWORK[stage]
    return Fault(f"{name} instead of an answer", stage, lambda payer, wire, request: getattr(wire, name)(), codes,
                 bears, SILENCE if name == "stall" else RESET, how_often(rng, bears))


def drip(rng):
    """A byte each so many seconds: too slow for ever, or just slow."""
    stage, seconds = any_stage(rng), rng.choice([2, 30, 100])
    codes, bears = NETWORK[stage]

    def act(payer, wire, request):
        head, body = payer.usual(request).encoded()
        whole = head + body
        for byte in whole[-DRIPS:]:
            wire.pause(seconds)
            wire.send(whole[:-DRIPS] + bytes([byte]))
            whole = b""
        wire.end()
    return Fault(f"a byte each {seconds} s", stage, act, codes | {0}, bears, SILENCE, how_often(rng, bears))


# lengths

def wrong_length(rng):
    """Of the body, as it is announced and as it is."""
    stage = any_stage(rng, without=("kickoff", "delete", "status"))
    codes, bears = NETWORK[stage]
    kind = rng.choice(["more", "less", "cut short without a length", "chunk that is cut off", "last chunk missing"])
    more = rng.choice([2, 1000])  # a line's end alone may be missing

    def act(payer, wire, request):
        reply = payer.usual(request)
        body, reply.framing = reply.body, "none"
        head, _ = reply.encoded()
        head = head[:-2]
        if kind == "more":
            wire.send(head + b"Content-Length: %d\r\n\r\n" % (len(body) + more) + body)
        elif kind == "less":
            wire.send(head + b"Content-Length: %d\r\n\r\n" % max(0, len(body) - more) + body)
        elif kind == "cut short without a length":
            wire.send(head + b"Connection: close\r\n\r\n" + body[:-1])
        elif kind == "chunk that is cut off":
            wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s" % (len(body), body[:-1]))
        else:
            wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body))
        wire.cut()
    return Fault(f"length: {kind}", stage, act, codes | NONSENSE[stage][0],
                 0 if kind == "less" and codes != {0} else min(bears, NONSENSE[stage][1]),
                 f"{RESET}|not well-formed JSON|no JSON object|is empty|cut off|chunk|compressed answer is damaged|{REJECTED}",
                 how_often(rng, bears), (0, 6) if kind == "less" and stage == "file" else (0,))


# statuses

RETRY_AFTER = (None, "0", "1", "30", "3600", "-1", "-99999999999999999999", "99999999999999999999999", "1e3", "soon", "",
               "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 99 Nov 2094 99:99:99 GMT",
               "1893456000000", "1893456000", "0x10", "1;2", "\t7 ", "7, 8", "Sunday, 06-Nov-94 08:49:37 GMT", "½")


def status_code(rng):
    stage = any_stage(rng)
    status = rng.choice([429, 500, 502, 503, 504])
    retry_after = rng.choice(RETRY_AFTER)
    bears = {"discovery": 0, "metadata": ALWAYS, "token": 2 if status != 500 else 0, "status": 9, "manifest": 9,
             "page": 9, "file": 7, "delete": ALWAYS, "kickoff": {429: 8, 503: 5}.get(status, 0)}[stage]
    if stage == "token" and retry_after not in (None, "0", "1", "30", "-1"):
        bears = 0  # a long wait is told to the person instead
    codes = {"metadata": {0}, "delete": {0}, "file": {4, 6}}.get(stage, {4})
    if stage == "kickoff" and status in (502, 504):
        codes = {5}

    body = rng.choice([b"", b"<html>busy</html>", b"{}"])

    def act(_payer, _wire, _request):
        reply = Reply(status, body)
        return reply if retry_after is None else reply.set("Retry-After", retry_after)
    times = how_often(rng, bears)
    if status == 429 and stage in ("status", "manifest", "page"):
        bears, times = ALWAYS, min(times, 40)  # it is no failure, and waited for as long as it lasts         STAT-02
    if status == 429 and stage == "kickoff" and rng.random() < 0.9:
        times = min(times, 8)  # a whole day of it costs a minute
    return Fault(f"{status} with Retry-After {retry_after!r}", stage, act, codes, bears, rf"(answer\w*|failed|say) \(?{status}\b|\({status}\)", times)


CATALOGUE = (at_any_byte, at_any_byte, before_the_answer, drip, wrong_length, status_code, status_code)
