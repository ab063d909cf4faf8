# SPDX-License-Identifier: Apache-2.0
"""A payer that can misbehave: TLS, tokens, bulk export, files; every request is kept, any can be held or spoilt.

It believes every assertion (whose signature tests may check themselves) but no token that it did not give. What honest
payers do is the sandbox's to show; this one is for everything else."""
import gzip
import json
import re
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEADLINE_S = 60  # of every wait: a test that waits longer has failed


class Reply:
    def __init__(self, status, body=b"", headers=None, promise=None):
        """`promise`: the Content-Length to announce; longer than the body means that the connection breaks off."""
        self.status, self.headers, self.promise = status, dict(headers or {}), promise
        self.body = body.encode() if isinstance(body, str) else body


def as_json(status, document, headers=None, kind="application/json"):
    return Reply(status, json.dumps(document), {"Content-Type": kind, **(headers or {})})


def outcome(status, code, text, headers=None):
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return as_json(status, {"resourceType": "OperationOutcome", "issue": [issue]}, headers, "application/fhir+json")


class Request:
    def __init__(self, method, path, query, headers, body):
        self.method, self.path, self.query, self.headers, self.body = method, path, query, headers, body

    @property
    def token(self):
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if kind == "Bearer" else None

    def form(self):
        return {k: v[0] for k, v in urllib.parse.parse_qs(self.body.decode()).items()}


class Hold:
    """Requests that wait: how many came, and the way to let them go on."""

    def __init__(self):
        self.condition, self.arrived, self.is_open = threading.Condition(), 0, False

    def pass_through(self):
        with self.condition:
            self.arrived += 1
            self.condition.notify_all()
            self.condition.wait_for(lambda: self.is_open, DEADLINE_S)

    def wait_arrived(self, count=1):
        with self.condition:
            assert self.condition.wait_for(lambda: self.arrived >= count, DEADLINE_S), \
                f"{self.arrived} of {count} requests came"

    def open(self):
        with self.condition:
            self.is_open = True
            self.condition.notify_all()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner, certificate):
        super().__init__(("127.0.0.1", 0), Handler)
        self.owner = owner
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def finish_request(self, request, client_address):  # on the connection's own thread
        try:
            request.settimeout(DEADLINE_S)
            tls = self.context.wrap_socket(request, server_side=True)
            self.RequestHandlerClass(tls, client_address, self)
            tls.unwrap()
        except OSError:
            pass  # a client that went away, or did not like our certificate

    def handle_error(self, request, client_address):
        pass

    @property
    def origin(self):
        return f"https://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _serve(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, url.path, url.query, self.headers, body)
        reply = self.server.owner.answer(request, self.server)
        length = len(reply.body) if reply.promise is None else reply.promise
        self.send_response_only(reply.status)
        if "Date" not in reply.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()
        self.close_connection |= length != len(reply.body)

    do_GET = do_POST = do_DELETE = _serve


class Payer:
    """`files`: list of (type, bytes). Attributes are settings; change them before the program runs. `server`: one that
    is there already, in place of one of its own."""

    def __init__(self, certificate, files=(), token_lifetime=300, server=None):
        self.lock = threading.Condition()
        self.server = server or Server(self, certificate)
        self.other = None  # another origin, made by other_origin()
        self.certificate = certificate
        self.files = list(files)
        self.errors, self.deleted = [], []  # the manifest's other lists, as `files`
        self.counts = True         # say `count`; or a dict of position: wrong count
        self.polls_before_done = 0  # how often status says 202
        self.requires_token = True
        self.gzip = False
        self.token_lifetime = token_lifetime
        self.file_origin = None    # a Server that files are on; None: ours
        self.manifest_version = 0  # goes into file URLs: raise it, and old URLs are gone
        self.transaction_time = "2026-11-01T12:00:00.000Z"
        self.requests = []
        self.tokens = {}           # token: (when it ends, monotonic)
        self.assertions = []
        self.jobs = {}             # id: polls left
        self.removed = set()
        self.rules = []            # (method pattern, path pattern, times left or None, function(request) -> Reply or None)

    # what tests say

    @property
    def fhir_url(self):
        return f"{self.server.origin}/fhir"

    def other_origin(self):
        self.other = Server(self, self.certificate)
        return self.other

    def when(self, method, pattern, action, times=None):
        """Let `action` answer; None from it means: as usual. The latest rule comes first."""
        with self.lock:
            self.rules.insert(0, [method, re.compile(pattern), times, action])

    def hold(self, method, pattern, times=None):
        """Requests wait before they are answered as usual, until the hold is opened."""
        hold = Hold()

        def action(_request):
            hold.pass_through()
        self.when(method, pattern, action, times)
        return hold

    def seen(self, method, pattern):
        with self.lock:
            return [r for r in self.requests if re.fullmatch(method, r.method) and re.fullmatch(pattern, r.path)]

    def wait_seen(self, method, pattern, count=1):
        with self.lock:  # which may be taken again by who has it
            assert self.lock.wait_for(lambda: len(self.seen(method, pattern)) >= count, DEADLINE_S), f"{count} times {method} {pattern} did not come"

    def secrets(self):
        with self.lock:
            return [*self.tokens, *self.assertions]

    def stop(self):
        with self.lock:
            servers = [s for s in (self.server, self.other) if s]
        for server in servers:
            server.shutdown()
            server.server_close()

    # how it answers

    def answer(self, request, server):
        request.server = server
        with self.lock:
            self.requests.append(request)
            self.lock.notify_all()
            action = self._rule_for(request)
        reply = action(request) if action else None
        return reply if reply is not None else self._usual(request)

    def _rule_for(self, request):
        for rule in self.rules:
            if re.fullmatch(rule[0], request.method) and rule[1].fullmatch(request.path) and rule[2] != 0:
                if rule[2] is not None:
                    rule[2] -= 1
                return rule[3]
        return None

    def _usual(self, r):
        if r.path == "/token" and r.method == "POST":
            return self.give_token(r)
        if r.path == "/fhir/.well-known/smart-configuration":
            return as_json(200, {
                "issuer": self.server.origin, "token_endpoint": f"{self.server.origin}/token",
                "grant_types_supported": ["client_credentials"], "scopes_supported": ["system/*.rs"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
                "capabilities": ["client-confidential-asymmetric", "permission-v2"]})
        if r.path == "/fhir/metadata":
            return as_json(200, {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": []})
        if r.path.startswith("/files/"):
            return self.give_file(r)
        if r.path.startswith("/fhir/"):
            return self._refuse(r) or self._fhir(r)
        return outcome(404, "not-found", "there is nothing here")

    def _refuse(self, r):
        with self.lock:
            ends = self.tokens.get(r.token or "")
        if ends is not None and time.monotonic() < ends:
            return None
        return outcome(401, "login", "no such token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    def _fhir(self, r):
        if r.path.endswith("$export") and r.method in ("GET", "POST"):
            return self.kick_off()
        status = re.fullmatch(r"/fhir/status/(\d+)", r.path)
        if not status or int(status[1]) not in self.jobs or int(status[1]) in self.removed:
            return outcome(404, "not-found", "there is no such export")
        if r.method == "DELETE":
            self.removed.add(int(status[1]))
            return outcome(202, "informational", "it is gone")
        return self.give_status(int(status[1]))

    def give_token(self, r):
        form = r.form()
        with self.lock:
            token = f"tok.{len(self.tokens)}.{id(self):x}.{time.monotonic_ns():x}"
            self.tokens[token] = time.monotonic() + self.token_lifetime
            self.assertions.append(form.get("client_assertion", "(none)"))
            self.lock.notify_all()
        return as_json(200, {"access_token": token, "token_type": "bearer", "expires_in": self.token_lifetime,
                             "scope": form.get("scope", "")}, {"Cache-Control": "no-store"})

    def kick_off(self):
        with self.lock:
            job = len(self.jobs) + 1
            self.jobs[job] = self.polls_before_done
        return Reply(202, headers={"Content-Location": f"{self.fhir_url}/status/{job}"})

    def give_status(self, job):
        with self.lock:
            if self.jobs[job] > 0:
                self.jobs[job] -= 1
                return Reply(202, headers={"X-Progress": "half of it", "Retry-After": "1"})
        return as_json(200, self.manifest(job), {"Expires": "Thu, 01 Dec 2044 16:00:00 GMT"})

    def manifest(self, job):
        origin = (self.file_origin or self.server).origin

        def items(files, kind):
            for n, (resource_type, content) in enumerate(files):
                item = {"type": resource_type, "url": f"{origin}/files/{job}/{self.manifest_version}/{kind}/{n}"}
                if self.counts is True or (isinstance(self.counts, dict) and kind == "output"):
                    count = len([line for line in content.split(b"\n") if line.strip()])
                    item["count"] = self.counts.get(n, count) if isinstance(self.counts, dict) else count
                yield item
        return {"transactionTime": self.transaction_time, "request": f"{self.fhir_url}/Patient/$export",
                "requiresAccessToken": self.requires_token, "output": list(items(self.files, "output")),
                "error": list(items(self.errors, "error")), "deleted": list(items(self.deleted, "deleted"))}

    def give_file(self, r):
        if self.requires_token and self._refuse(r):
            return self._refuse(r)
        _, _, _job, version, kind, number = r.path.split("/")
        if int(version) != self.manifest_version:
            return Reply(403, "<Error>Request has expired</Error>", {"Content-Type": "application/xml"})
        content = {"output": self.files, "error": self.errors, "deleted": self.deleted}[kind][int(number)][1]
        headers = {"Content-Type": "application/fhir+ndjson"}
        if self.gzip and "gzip" in r.headers.get("Accept-Encoding", ""):
            content, headers["Content-Encoding"] = gzip.compress(content, mtime=0), "gzip"
        return Reply(200, content, headers)
