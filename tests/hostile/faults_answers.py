# SPDX-License-Identifier: Apache-2.0
"""Answers that are not HTTP, not JSON, not compressed as they say, or lead elsewhere; tokens that are none."""
import gzip
import json
import urllib.parse

from faults import ALWAYS, NETWORK, NONSENSE, REJECTED, RESET, Fault, any_stage, how_often
from hosts import Reply
from payer import as_json, outcome

NO_JSON = (r"not well-formed JSON|no(t a)? JSON object|is empty|must be a|has no |has neither|is missing|"
           r"same member twice|nested deeper|not an object|cut off|follows its end|cannot stand there|is malformed|"
           r"closes nothing|a list should be|is no list")
TOO_LONG = r"longer than|does not end|too long|too large"
JSON_STAGES = ("discovery", "token", "manifest", "page")

# HTTP

HEADS = {
    "no HTTP at all": b"220 mail.example ESMTP\r\n\r\n", "status 999": b"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n", "status abc": b"HTTP/1.1 abc OK\r\n\r\n", "status 000": b"HTTP/1.1 000 x\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\ncontent-length: 0\r\n\r\n", "HTTP/9": b"HTTP/9.9 200 x\r\nContent-Length: 0\r\n\r\n",
    "length -5": b"HTTP/1.1 200 x\r\nContent-Length: -5\r\n\r\nhello",
    "length of 10^25": b"HTTP/1.1 200 x\r\nContent-Length: 9999999999999999999999999\r\n\r\nhello",
    "length of 8 EB": b"HTTP/1.1 200 x\r\nContent-Length: 9223372036854775807\r\n\r\nhello",
    "length abc": b"HTTP/1.1 200 x\r\nContent-Length: abc\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 x\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello",
    "lengths in one": b"HTTP/1.1 200 x\r\nContent-Length: 5, 3\r\n\r\nhello",
    "length and chunks": b"HTTP/1.1 200 x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunk of size zz": b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "chunk of 2^80": b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nhello",
    "chunk of size -1": b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello",
    "unknown transfer coding": b"HTTP/1.1 200 x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "header without colon": b"HTTP/1.1 200 x\r\nnonsense\r\nContent-Length: 5\r\n\r\nhello",
    "header with NUL": b"HTTP/1.1 200 x\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    "header of 300 KB": b"HTTP/1.1 200 x\r\nX: " + b"a" * 300_000 + b"\r\nContent-Length: 5\r\n\r\nhello",
    "10,000 headers": b"HTTP/1.1 200 x\r\n" + b"X: y\r\n" * 10_000 + b"Content-Length: 5\r\n\r\nhello",
    "header without end": b"HTTP/1.1 200 x\r\nX: " + b"a" * 2_000_000,
    "10,000 times 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + b"HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nhello",
    "103 with a link": b"HTTP/1.1 103 x\r\nLink: </x>\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nhello",
    "101": b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05hello",
    "204 with a body": b"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhello", "205": b"HTTP/1.1 205 x\r\n\r\n",
    "304": b"HTTP/1.1 304 x\r\n\r\n", "206 that nobody asked": b"HTTP/1.1 206 x\r\nContent-Range: bytes 3-7/99\r\n"
    b"Content-Length: 5\r\n\r\nhello", "a folded header": b"HTTP/1.1 200 x\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    "bare LF": b"HTTP/1.1 200 x\nContent-Length: 5\n\nhello", "an empty line first": b"\r\nHTTP/1.1 200 x\r\n\r\n",
    "two answers": b"HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n{}",
}


def no_http(rng):
    stage, kind = any_stage(rng), rng.choice(list(HEADS))

    def act(_payer, wire, _request):
        wire.send(HEADS[kind])
        wire.cut()
    codes = NETWORK[stage][0] | NONSENSE[stage][0] | {0}
    return Fault(f"HTTP: {kind}", stage, act, codes, ALWAYS if codes == {0} else 0,
                 rf"not proper HTTP|HTTP/|more headers than|chunked-encoding|{NO_JSON}|without a Content-Location|{REJECTED}|answer\w* [1-39]\d\d\b|"
                 rf"\([1-39]\d\d\)|its status is [1-39]\d\d|not NDJSON|{TOO_LONG}|{RESET}", how_often(rng, 0),
                 (0, 6) if stage == "file" else (0,))


def endless(rng):
    """A body without end, where one has to end soon."""
    stage, status = rng.choice([("discovery", 200), ("discovery", 404), ("token", 200), ("token", 500), ("kickoff", 500),
                                ("kickoff", 202), ("status", 500), ("page", 403), ("delete", 202), ("file", 500),
                                ("file", 403), ("token", 302)])

    def act(_payer, wire, _request):
        wire.send(b"HTTP/1.1 %d x\r\nContent-Location: /fhir/status/1\r\nConnection: close\r\n\r\n" % status)
        while True:
            wire.send(b'{"a":"' + b"x" * 65536)
    codes = NETWORK[stage][0] | NONSENSE[stage][0] | {0}
    return Fault(f"{status} without end", stage, act, codes, ALWAYS if codes == {0} else 0,
                 rf"{TOO_LONG}|answer\w* {status}|\({status}\)|its status is {status}", how_often(rng, 0))


# JSON

BODIES = {
    "HTML": b"<!DOCTYPE html><html>please log in</html>", "nothing": b"", "null": b"null", "a list": b"[]",
    "a number": b"1e999999", "a string": b'"\\ud800"', "half an object": b'{"output": [', "a comma too much": b"{,}",
    "100,000 lists in each other": b"[" * 100_000, "100,000 objects in each other": b'{"a":' * 100_000,
    "lists in a member": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "NUL": b"{\0}", "Latin-1": b'{"a":"\xe9"}',
    "an overlong NUL": b'{"a":"\xc0\x80"}', "UTF-16": "{}".encode("utf-16"), "two documents": b"{}{}",
    "a lone surrogate": b'{"a":"\\udc00"}', "an empty object": b"{}", "2 MB of blanks": b" " * 2_000_000,
    "a name of 2 MB": b'{"' + b"a" * 2_000_000 + b'":1}', "100,000 members": b"{" + b",".join(
        b'"m%d":1' % n for n in range(100_000)) + b"}", "the same member twice": b'{"output":[],"output":[]}'}


def no_json(rng):
    stage, kind, framing = rng.choice(JSON_STAGES), rng.choice(list(BODIES)), rng.choice(["length", "chunked", "close"])

    def act(_payer, _wire, _request):
        return Reply(200, BODIES[kind], {"Content-Type": "application/json"}, framing)
    return Fault(f"JSON: {kind}", stage, act, {4}, 0, f"{NO_JSON}|{TOO_LONG}",
                 how_often(rng, 0))


# compression

BLANKS = gzip.compress(b" " * 20_000_000)
ZIPPED = {"plain that says gzip": lambda b: b, "cut off": lambda b: gzip.compress(b)[:-9],
          "a flipped byte": lambda b: bytes(c ^ (0x55 if n == 15 else 0) for n, c in enumerate(gzip.compress(b))),
          "garbage behind": lambda b: gzip.compress(b) + b"garbage", "wrong checksum": lambda b: gzip.compress(b)[:-8] +
          bytes(8), "nothing": lambda b: b"", "20 MB of blanks": lambda b: BLANKS, "twice": lambda b: gzip.compress(
              gzip.compress(b)), "head alone": lambda b: gzip.compress(b)[:10]}


def no_gzip(rng):
    stage, kind = rng.choice((*JSON_STAGES, "file", "file")), rng.choice(list(ZIPPED))
    coding = rng.choice(["gzip", "gzip", "gzip", "deflate", "br", "x-gzip", "gzip, gzip", "nonsense"])

    def act(payer, _wire, request):
        with payer.lock:
            gzipped, payer.gzip = payer.gzip, False
            reply = payer.usual(request)
            payer.gzip = gzipped
        if reply.status == 200:
            reply.body = ZIPPED[kind](reply.body)
            reply.set("Content-Encoding", coding)
        return reply
    codes = NETWORK[stage][0] | NONSENSE[stage][0] | {0}
    after = (0, 6) if stage == "file" and kind in ("20 MB of blanks", "twice", "nothing") else (0,)
    if stage == "file":
        codes |= {6}
    return Fault(f"{coding}: {kind}", stage, act, codes, 7 if stage == "file" and kind != "20 MB of blanks" and kind !=
                 "twice" and kind != "nothing" else 0,
                 rf"gzip|compress|unencoding|[Ee]ncoding|inflat|deflate|{NO_JSON}|{TOO_LONG}|not NDJSON|{REJECTED}",
                 how_often(rng, 0), after)


# redirects

def elsewhere(rng):
    """Where a redirect may lead, by name."""
    return rng.choice(["itself", "a chain", "the file server", "plain http", "file:", "ftp:", "javascript:", "nowhere",
                       "an empty place", "a long place", "user:password", "a control character", "a port that refuses",
                       "a relative place"])


def location(kind, payer, request):
    target = request.target
    return {"itself": target, "a chain": f"{request.path}?hop={len(request.query)}{'x' * (len(request.query) + 1)}",
            "the file server": f"{payer.files_host.origin}{target}", "plain http": f"{payer.plain.origin}{target}",
            "file:": "file:///etc/passwd", "ftp:": "ftp://127.0.0.1/x", "javascript:": "javascript:alert(1)",
            "nowhere": None, "an empty place": "", "a long place": "/" + "x" * 20_000,
            "user:password": payer.payer.origin.replace("//", "//user:pw@") + target,
            "a control character": f"{payer.payer.origin}/\x1b[31m\x7f", "a relative place": "../../../x",
            "a port that refuses": f"https://127.0.0.1:{payer.closed.getsockname()[1]}{target}"}[kind]


def redirect(rng):
    stage, kind, status = any_stage(rng), elsewhere(rng), rng.choice([301, 302, 303, 307, 308, 300, 305])

    def act(payer, _wire, request):
        if kind == "a chain" and len(request.query) > 8:
            return payer.usual(request)
        place = location(kind, payer, request)
        payer.redirected |= {"/", "/x", urllib.parse.urlsplit(place or "").path}
        return Reply(status, b"", {} if place is None else {"Location": place})
    codes = {"metadata": {0}, "delete": {0}, "token": {4}, "file": {4, 5, 6}}.get(stage, {3, 4, 5})
    if stage == "kickoff":
        codes = codes | {2}
    if stage != "token":
        codes = codes | {0}  # to the file server, or along a chain, it may come to a good end
    return Fault(f"{status} to {kind}", stage, act, codes, 0 if codes != {0} else ALWAYS,
                 rf"redirect|plain http|must not go|circles|nowhere|answer\w* (30\d|40[14])|\((30\d|40[14])\)|"
                 rf"its status is (30\d|404)|connecting: |not proper HTTP|{TOO_LONG}", how_often(rng, 0))


# tokens

def token_answers(rng):
    """What the token endpoint may say: (name, reply by payer and request, codes, words)"""
    tokens = {"CR LF": "a\r\nX-Evil: 1", "NUL": "a\0b", "empty": "", "64 KB": "t" * 65536, "blank": " ", "ESC": "\x1b[31m",
              "not ASCII": "žeton", "tab": "a\tb", "a number": 17, "null": None, "a list": ["t"], "1 MB": "t" * 1_000_000}
    for name, token in tokens.items():
        yield f"token: {name}", lambda payer, r, t=token: as_json(200, {"access_token": t, "token_type": "bearer",
                                                                        "expires_in": 300}), {4}, f"access_token|not well-formed JSON|characters that RFC 6750 does not allow|{TOO_LONG}"
    for kind in ("mac", "", 3, "Basic", ["bearer"]):
        yield (f"token_type {kind!r}", lambda payer, r, k=kind: payer.give_token(r, token_type=k), {4},
               "token_type")
    for code in ("invalid_client", "invalid_scope", "unauthorized_client", "invalid_grant", "unsupported_grant_type",
                 "\x1b[31m", "x" * 5000):
        for status in (400, 401, 200):
            yield (f"{status} {code[:20]!r}", lambda payer, r, c=code, s=status: as_json(
                s, {"error": c, "error_description": "no \x1b]0;x\x07\u202e"}), {3, 4}, rf"\({status} |answered {status}|OAuth error")
    for status in (402, 403, 404, 405, 406, 410, 418, 451):
        yield f"{status}", lambda payer, r, s=status: Reply(s, b"no"), {3, 4}, rf"answered {status}\b|\({status}\)"


def bad_token(rng):
    name, answer, codes, words = rng.choice(list(token_answers(rng)))
    return Fault(name, "token", lambda payer, _wire, request: answer(payer, request), codes, 0, words, how_often(rng, 0))


def other_authority(rng):
    """Discovery names another token endpoint than the one that tokens came from: nobody's assertion may go there."""
    member = rng.choice(["token_endpoint", "issuer"])

    def act(payer, _wire, request):
        reply = payer.usual(request)
        if payer.proven:
            reply.body = json.dumps({**payer.discovery(), member: f"{payer.files_host.origin}/token"}).encode()
        return reply
    return Fault(f"another {member}", "discovery", act, {0, 3}, 0, "another authorization server")  # AUTH-04


def bad_endpoint(rng):
    """A token endpoint that is none."""
    kind = rng.choice(["plain http", "file:", "empty", "a port that refuses", "relative", "user:password", "a list", "null",
                       "long", "a control character", "http of its own", "a fragment"])

    def act(payer, _wire, request):
        reply, here = payer.usual(request), f"{payer.payer.origin}/token"
        place = {"plain http": f"{payer.plain.origin}/token", "file:": "file:///etc/passwd", "empty": "", "null": None,
                 "a port that refuses": f"https://127.0.0.1:{payer.closed.getsockname()[1]}/token", "relative": "/token",
                 "user:password": here.replace("//", "//u:p@"), "a list": [here], "long": here + "?" + "x" * 30_000,
                 "a control character": here + "\x1b[31m", "http of its own": here.replace("https", "http"),
                 "a fragment": here + "#x"}[kind]
        reply.body = json.dumps({**payer.discovery(), "token_endpoint": place}).encode()
        return reply
    codes = {"relative": {0}, "a fragment": {0, 4}, "a port that refuses": {5}, "long": {0, 4, 5}}.get(kind, {3, 4})
    return Fault(f"token_endpoint: {kind}", "discovery", act, codes, ALWAYS if codes == {0} else 0,
                 rf"token_endpoint|token endpoint|connecting: |{TOO_LONG}|another authorization server", how_often(rng, 0))


def odd_lifetime(rng):
    """Of a token that is good for as long as the payer says elsewhere."""
    said = rng.choice([0, 1, -1, 1e308, 2**63, "300", "1200.0", "soon", None, [], {}, 0.5, "", True, -1e-9, 10**30])
    return Fault(f"expires_in {said!r}", "token", lambda payer, _wire, request: payer.give_token(request, expires_in=said),
                 {0, 4}, 0 if said in (10**30, 2**63) else ALWAYS, "expires_in|not well-formed JSON", how_often(rng, 0))


def short_token(rng):
    """Tokens live for some seconds, and each wait outlives them."""
    seconds = rng.choice([1, 2, 5, 30])

    def act(payer, _wire, request):
        payer.token_lifetime = seconds
        return payer.give_token(request)
    return Fault(f"tokens of {seconds} s", "token", act, {0}, ALWAYS, words="was too old when it came")


def refused_token(rng):
    """401 to a good token: borne once, and a refusal the second time."""
    stage = rng.choice(["kickoff", "status", "manifest", "page", "file", "delete"])

    challenge = rng.choice(['Bearer error="invalid_token"', "Bearer", "\x01", "Negotiate",
                            'Bearer error="insufficient_scope"'])

    def act(_payer, _wire, request):
        said = outcome(401, "login", f"no good: {request.bearer}").set("X-Token", request.bearer or "")
        return said.set("WWW-Authenticate", challenge)
    codes = {"delete": {0}, "file": {3, 4, 6}}.get(stage, {3})
    fault = Fault("401", stage, act, codes, ALWAYS if stage == "delete" else 1, r"answered 401|\(401\)|does not accept|refused",
                  rng.choice([1, ALWAYS]))

    def fit(payer):
        if stage == "file" and not payer.requires_token:
            fault.bears = 0  # nobody's token was refused
    fault.fit = fit
    return fault


CATALOGUE = (no_http, no_http, endless, no_json, no_json, no_gzip, redirect, redirect, bad_token, bad_token, other_authority,
             bad_endpoint, odd_lifetime, short_token, refused_token)
