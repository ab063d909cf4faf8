# SPDX-License-Identifier: Apache-2.0
"""Jobs that fail, manifests that lie, files that are not what they should be."""
import json

import data
from faults import ALWAYS, REJECTED, Fault, how_often
from faults_answers import NO_JSON, TOO_LONG
from hosts import Reply
from payer import as_json, outcome

LASTING, PASSING = ("exception-that-lasts", "processing", "invalid"), ("transient", "timeout", "throttled", "lock-error")
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\r\n"

# the job

def content_location(rng):
    kind = rng.choice(["missing", "empty", "relative", "the file server", "plain http", "http of its own", "file:", "long",
                       "user:password", "nonsense", "blanks", "a port that refuses", "a fragment"])

    def act(payer, _wire, request):
        reply = payer.usual(request)
        here = reply.get("Content-Location")
        if reply.status != 202:
            return reply
        path = here.removeprefix(payer.payer.origin)
        reply.headers = []
        place = {"missing": None, "empty": "", "relative": path, "the file server": payer.files_host.origin + path,
                 "plain http": payer.plain.origin + path, "http of its own": here.replace("https", "http"),
                 "file:": "file:///etc/passwd", "long": here + "?" + "x" * 30_000, "nonsense": "https://[::1",
                 "user:password": here.replace("//", "//u:p@"), "blanks": "a b c", "a fragment": here + "#there",
                 "a port that refuses": f"https://127.0.0.1:{payer.closed.getsockname()[1]}{path}"}[kind]
        return reply if place is None else reply.set("Content-Location", place)
    good = kind in ("relative", "http of its own", "a fragment")
    return Fault(f"Content-Location: {kind}", "kickoff", act, {0} if good else {4, 0}, ALWAYS if good else 0,
                 rf"Content-Location|another server|plain http|its status is 404|{TOO_LONG}", how_often(rng, 0),
                 (0, 4))


def kickoff_refused(rng):
    status = rng.choice([200, 204, 206, 400, 402, 403, 404, 405, 406, 409, 413, 415, 418, 422, 451, 501, 505, 511, 599])
    body = outcome(status, rng.choice(["not-supported", "forbidden", "invalid"]), ESCAPES + "no").body

    def act(_payer, _wire, _request):
        return Reply(status, body, {"Content-Type": "application/fhir+json", "X-Evil": "\x1b[31m"})
    return Fault(f"{status}", "kickoff", act, {2, 3, 4}, 1 if status in (404, 405, 415, 501) else 0,
                 rf"(answered|its status is) {status}\b|\({status}\)|Content-Location", how_often(rng, 0))


def job_status(rng):
    """An OperationOutcome instead of a status."""
    stage, passing = rng.choice(["status", "manifest", "page"]), rng.random() < 0.5
    status, code = rng.choice([200, 400, 404, 410, 418, 422, 500, 503]), rng.choice(PASSING if passing else LASTING)
    bears = 20 if passing else 2 if status >= 500 else 0
    times = min(how_often(rng, bears), 20) if passing else how_often(rng, bears)
    if status in (404, 410) and not passing:
        bears = 0

    def act(_payer, _wire, _request):
        return outcome(status, code, "it failed" + ESCAPES).set("Retry-After", "5")
    return Fault(f"{status} {code}", stage, act, {4}, bears, rf"(answers|answered|status is) {status}\b|\({status}\)|it failed", times)


def progress(rng):
    """202 with words that no terminal may see."""
    text = rng.choice([ESCAPES.strip(), "x" * 5000, "", "\xff\xfe", "100 %\t\t", "½" * 60])

    def act(_payer, _wire, request):
        return Reply(202, json.dumps({"token": request.bearer}), {"X-Progress": text + (request.bearer or "")})
    return Fault(f"X-Progress {text[:20]!r}", "manifest", act, {0}, ALWAYS, times=rng.choice([1, 3, 10]))


def refused_status(rng):
    status = rng.choice([400, 402, 403, 404, 405, 410, 418, 451])
    return Fault(f"{status}", rng.choice(["status", "manifest", "page"]), lambda p, w, r: Reply(status, ESCAPES), {3, 4},
                 0, rf"(answers|answered|status is) {status}\b|\({status}\)", how_often(rng, 0))


# the manifest

LONG = "x" * 100_000
HOSTILE_TYPES = ("../../escaped", "/etc/escaped", "..", ".", "", "Patient\0x", "Patient/../..", "con", ".smartbulk", LONG,
                 "log", "Patient\n", "\u202ePatient", "manifest.json", "Pat ient", "%2e%2e", "rejected", None, 3, ["x"], {})
HOSTILE_URLS = ("file:///etc/passwd", "http://192.0.2.1/1", "gopher://127.0.0.1/1", "", "//", "https://", "https://[",
                "https://user:pw@127.0.0.1/1", "https://127.0.0.1:99999/1", "https://127.0.0.1:0/1", "javascript:alert(1)",
                "https://127.0.0.1/\x1b[31m", "https://127.0.0.1/a b", "\\\\host\\share", "https://127.0.0.1\\@192.0.2.1/",
                "https://xn--/", "data:text/plain,{}", LONG, "https://127.0.0.1/" + LONG, "https://127.0.0.1\r\nX: y/",
                "https://127.0.0.1%00.example/", None, 3, [], {"a": 1}, "unix:/x", "https://0x7f000001:1/", "HTTPS://%31/")


def manifest_changes(rng):
    """(name, change of the manifest as a dictionary, codes)"""
    for kind in HOSTILE_TYPES:
        yield f"type {str(kind)[:20]!r}", lambda m, p, k=kind: m["output"][0].update(type=k), {0, 4, 6}
    for url in HOSTILE_URLS:
        yield f"URL {str(url)[:30]!r}", lambda m, p, u=url: m["output"][0].update(url=u), {4, 5, 6}
    yield "the file server's URLs, with the token", lambda m, p: (m.update(requiresAccessToken=True), [
        i.update(url=i["url"].replace(p.payer.origin, p.files_host.origin)) for i in m["output"]]), {4}
    yield "plain http URLs", lambda m, p: [i.update(url=i["url"].replace(p.payer.origin, p.plain.origin).replace(
        p.files_host.origin, p.plain.origin)) for i in m["output"]], {4, 6}
    yield "URLs that refuse", lambda m, p: (m.update(requiresAccessToken=False), [i.update(
        url=f"https://127.0.0.1:{p.closed.getsockname()[1]}/{n}") for n, i in enumerate(m["output"])]), {4, 5, 6}
    yield "the same URL twice", lambda m, p: m["output"].append(dict(m["output"][0])), {0}
    yield "the same URL 50 times", lambda m, p: m["output"].extend(dict(m["output"][0]) for _ in range(50)), {0}
    for count in (99, -1, 2**62, 2**70, 0.5, "2", None, []):
        yield f"count {count!r}", lambda m, p, c=count: m["output"][0].update(count=c), {0, 4, 6}
    for member in ("output", "link", "deleted", "error"):
        for value in (None, {}, "x", 3, [3], [None], [[]], [{}]):
            yield f"{member} {value!r}", lambda m, p, n=member, v=value: m.update({n: v}), {0, 4, 6}
    for time in (None, "", "yesterday", "9999-99-99T99:99:99Z", LONG, 3, "2026-11-01T12:00:00+99:99"):
        yield f"transactionTime {str(time)[:20]!r}", lambda m, p, t=time: m.update(transactionTime=t), {0, 4}
    for value in ("false", "no", 0, None, []):
        yield f"requiresAccessToken {value!r}", lambda m, p, v=value: m.update(requiresAccessToken=v), {0, 4, 6}
    for url in ("itself", "file", "http", "nothing", "file:///etc/passwd", LONG):
        yield f"next is {url[:20]}", lambda m, p, u=url: m.update(link=[{"relation": "next", "url": {
            "itself": f"{p.fhir_url}/status/1", "file": f"{p.files_host.origin}/fhir/page/1/1", "nothing": "",
            "http": f"{p.plain.origin}/fhir/page/1/1"}.get(u, u)}]), {0, 4}
    yield "two next pages", lambda m, p: m.update(link=[{"relation": "next", "url": f"{p.fhir_url}/page/1/{n}"} for n in
                                                       (1, 2)]), {4}
    yield "nesting of 100,000", None, {0, 4}


def hostile_manifest(rng):
    name, change, codes = rng.choice(list(manifest_changes(rng)))

    def act(payer, _wire, request):
        reply = payer.usual(request)
        if reply.status != 200:
            return reply
        payer.renamed = True
        manifest = json.loads(reply.body)
        if change:
            change(manifest, payer)
            reply.body = json.dumps(manifest).encode()
        else:
            reply.body = reply.body[:-1] + b',"extension":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        return reply
    return Fault(f"manifest: {name}", "manifest", act, codes, 0, r"payer's manifest could not be understood|URL (of|in) the manifest|manifest's (pages|next page)|"
                 rf"needs the token|connecting: |name is not known|unknown CA|came twice|not NDJSON|answered 40[0-4]|{REJECTED}", ALWAYS, (0, 4, 5, 6))


# files

# RFC 8259 lets them be written and says that readers differ; I-JSON (RFC 7493) forbids them; jansson, and PostgreSQL's
# jsonb, cannot read them: src/fhir/ndjson.h refuses the line, and says why.
LONE = (r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud800\ud800\udc00", r"\udbffx", r"\uDFFF\uD83D", r"\ud83d\n\ude00")
DEEP = b'{"resourceType":"Patient","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
BAD_LINES = {"NUL": b'{"resourceType":"Patient","id":"a\0b"}\n', "NULs": b"\0" * 1000 + b"\n",
             "Latin-1": b'{"resourceType":"Patient","id":"\xe9"}\n', "overlong": b'{"resourceType":"Patient","id":"\xc0\xaf"}\n',
             "CESU": b'{"resourceType":"Patient","id":"\xed\xa0\x80"}\n', "nesting of 100,000": DEEP,
             "nesting without end": b"[" * 100_000 + b"\n", "a list": b"[]\n", "a number": b"1\n", "a bracket": b"}\n",
             "half a line": b'{"resourceType":"Patient","id"', "two on a line": b'{"resourceType":"Patient"}{}\n',
             "another type": b'{"resourceType":"Binary"}\n', "no type": b'{"id":"x"}\n', "type in a type": b'{"a":{'
             b'"resourceType":"Patient"}}\n', "the type twice": b'{"resourceType":"Patient","resourceType":"Binary"}\n',
             "a control character": b'{"resourceType":"Patient","id":"\x01"}\n', "a comma": b'{"resourceType":"Patient",}\n',
             "UTF-16": '{"resourceType":"Patient"}\n'.encode("utf-16"), "a BOM in the middle": b"\xef\xbb\xbf{}\n",
             "NaN": b'{"resourceType":"Patient","a":NaN}\n', "single quotes": b"{'resourceType':'Patient'}\n",
             **{f"escapes {text}": b'{"resourceType":"Patient","id":"' + text.encode() + b'"}\n' for text in LONE},
             "a name of a lone surrogate": b'{"resourceType":"Patient","\\udfff":1}\n',
             "0x FE": b"\xfe\xff\n", "an escape": b'{"resourceType":"Patient","id":"\\x"}\n', "a short \\u": b'{"resourceType"'
             b':"Patient","id":"\\u12"}\n', "5,000 bad lines": b"x\n" * 5000, "a lone CR": b'{"resourceType":"Patient"}\r'}


def bad_line(rng):
    """Not before a stage: the payer's file itself is bad, and stays so."""
    kind = rng.choice(list(BAD_LINES))
    where = rng.choice(["first", "last"])
    words = "\\d bad line.*surrogate" if "escapes" in kind or "surrogate" in kind else REJECTED

    def set_up(payer):
        resource_type, content = payer.files[0]
        bad = BAD_LINES[kind]
        content = bad + content if where == "first" and bad.endswith(b"\n") else content + bad
        payer.files[0] = (resource_type, content)
        payer.kept[0] = content
        payer.bad.add(0)

    fault = Fault(f"a line: {kind}, {where}", "file", lambda payer, _wire, request: payer.usual(request), {6}, 0,
                  words, ALWAYS, (6,), path="/0$")
    fault.set_up = set_up
    return fault


HARMLESS = {"BOM": lambda c: b"\xef\xbb\xbf" + c, "CRLF": lambda c: c.replace(b"\n", b"\r\n"), "no newline": lambda c: c[:-1],
            "surrogates in pairs": lambda c: c + b'{"resourceType":"Patient","id":"x","a":"\\ud83d\\uDE00","\\udbff\\udfff":1}\n',
            "empty lines": lambda c: b"\n\n" + c.replace(b"\n", b"\n\n"), "an empty file": lambda c: b"",
            "blanks": lambda c: c.replace(b"\n", b" \t\n"), "a line of 1 MB": lambda c: c + data.line(
                {"resourceType": "Patient", "id": "x", "a": "x" * 1_000_000}), "depth 50": lambda c: c + data.line(
                    {"resourceType": "Patient", "id": "x", "a": json.loads("[" * 50 + "]" * 50)})}


def odd_file(rng):
    kind = rng.choice(list(HARMLESS))

    def set_up(payer):
        resource_type, content = payer.files[0]
        payer.files[0] = (resource_type, HARMLESS[kind](content))
        payer.kept[0] = payer.files[0][1]
    fault = Fault(f"a file: {kind}", "file", lambda payer, _wire, request: payer.usual(request), {0}, ALWAYS, path="/0$")
    fault.set_up = set_up
    return fault


def file_answer(rng):
    status = rng.choice([400, 402, 403, 403, 404, 405, 406, 408, 410, 412, 416, 418, 425, 451, 507])
    bears = {403: 3, 404: 3, 410: 3, 408: 7, 425: 7, 507: 7}.get(status, 0)
    return Fault(f"{status}", "file", lambda p, w, r: Reply(status, ESCAPES + (r.bearer or "")), {4, 6}, bears,
                 rf"answered {status}\b|\({status}\)", how_often(rng, bears))


def no_file(rng):
    """A 200 that is something else."""
    kind = rng.choice(["HTML", "XML", "an error", "a passing error", "another file", "compressed"])
    body = {"HTML": b"<html>log in</html>", "XML": b"<?xml version='1.0'?><Error/>",
            "an error": outcome(200, "exception-that-lasts", "gone").body, "a passing error": outcome(
                200, "transient", "wait").body, "another file": data.coverage(77) * 77,
            "compressed": b"\x1f\x8b\x08\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0"}[kind]
    bears = 7 if kind in ("HTML", "XML", "a passing error") else 0
    return Fault(f"a file: {kind}", "file", lambda p, w, r: Reply(200, body, {"Content-Type": "text/html"}), {4, 6}, bears,
                 f"not NDJSON|HTML|OperationOutcome|compressed|{REJECTED}", how_often(rng, bears), (0, 6))


CATALOGUE = (content_location, kickoff_refused, job_status, progress, refused_status, hostile_manifest, hostile_manifest,
             hostile_manifest, bad_line, bad_line, odd_file, file_answer, no_file)
