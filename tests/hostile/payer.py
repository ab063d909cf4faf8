# SPDX-License-Identifier: Apache-2.0
"""One scenario's payer: three origins, an honest answer to every request, and faults that stand before it.

    payer   https, the FHIR and token server: the only one that may see tokens and assertions
    files   https, another origin: a file server with capability URLs, or a stranger
    plain   http: nobody must ever come here"""
import gzip
import json
import random
import re
import threading
import time
import urllib.parse

import data
from hosts import Host, Over, Reply, nobody

TRANSACTION_TIME = "2026-11-01T12:00:00.000Z"


def as_json(status, document, kind="application/json"):
    return Reply(status, json.dumps(document), {"Content-Type": kind})


def outcome(status, code, text):
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return as_json(status, {"resourceType": "OperationOutcome", "issue": [issue]}, "application/fhir+json")


class Payer:
    def __init__(self, page, contexts, rng):
        self.page, self.rng, self.lock = page, random.Random(rng.random()), threading.RLock()
        self.payer = Host("payer", page, self.answer, contexts["good"])
        self.files_host = Host("files", page, self.answer, contexts["good"])
        self.plain = Host("plain", page, self.answer)
        self.hosts = [self.payer, self.files_host, self.plain]
        for host in self.hosts:
            host.on_connect = self.connecting
        self.contexts, self.closed = contexts, nobody()
        self.faults = []
        self.files = data.files(patients=rng.randint(1, 3), claim_files=rng.randint(0, 3), claims=rng.randint(1, 4))
        self.kept = [content for _, content in self.files]  # what a fault replaces is another's affair
        self.bad = set()             # positions of files that are not to be accepted
        self.per_page = rng.choice([100, 100, 2])
        self.polls = rng.choice([0, 0, 1, 2])
        self.requires_token = rng.random() < 0.7
        self.elsewhere = not self.requires_token and rng.random() < 0.5
        self.gzip = rng.random() < 0.4
        self.token_lifetime = 300
        self.renamed = False         # the manifest is not as usual: files may have any name
        self.proven = False          # a token of its was used: the program knows whom it had it from
        self.redirected = set()      # paths of its own that it sent the program to
        self.version, self.jobs, self.removed = 0, {}, set()
        self.tokens, self.assertions = {}, []

    @property
    def fhir_url(self):
        return f"{self.payer.origin}/fhir"

    def close(self):
        for host in self.hosts:
            host.close()
        self.closed.close()

    def requests(self):
        return [r for host in self.hosts for r in host.requests]

    # which fault, or none

    def connecting(self, wire):
        with self.lock:
            fault = next((f for f in self.faults if f.wants("connect", wire.host)), None)
            if fault:
                fault.note()
        if fault:
            fault.act(self, wire, None)

    def stage_of(self, r):
        if r.path == "/token":
            return "token"
        if r.path.endswith("smart-configuration"):
            return "discovery"
        if r.path.endswith("/metadata"):
            return "metadata"
        if r.path.endswith("$export"):
            return "kickoff"
        if r.path.startswith("/files/"):
            return "file"
        if r.path.startswith("/fhir/status/"):
            if r.method == "DELETE":
                return "delete"
            job = re.fullmatch(r"/fhir/status/(\d+)", r.path)
            done = job and self.jobs.get(int(job[1]), 1) == 0
            return "manifest" if done else "status"
        if r.path.startswith("/fhir/page/"):
            return "page"
        return "other"

    def answer(self, wire, request):
        with self.lock:
            stage = self.stage_of(request)
            fault = next((f for f in self.faults if f.wants(stage, request)), None)
            if fault:
                fault.note()
        if fault is None:
            return self.usual(request)
        reply = fault.act(self, wire, request)
        if reply is None:
            raise Over
        return reply

    # honestly

    def usual(self, r):
        with self.lock:
            if r.path == "/token" and r.method == "POST":
                return self.give_token(r)
            if r.path == "/fhir/.well-known/smart-configuration":
                return as_json(200, self.discovery())
            if r.path == "/fhir/metadata":
                return as_json(200, {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": []})
            if r.path.startswith("/files/"):
                return self.give_file(r)
            if r.path.startswith("/fhir/"):
                return self.refuse(r) or self.fhir(r)
            return outcome(404, "not-found", "there is nothing here")

    def discovery(self):
        return {"issuer": self.payer.origin, "token_endpoint": f"{self.payer.origin}/token",
                "grant_types_supported": ["client_credentials"], "scopes_supported": ["system/*.rs"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
                "capabilities": ["client-confidential-asymmetric", "permission-v2"]}

    def new_token(self, r, text=None):
        token = text or f"tok.{len(self.tokens)}.{self.rng.getrandbits(120):x}"
        with self.lock:
            self.tokens[token] = time.monotonic() + self.page.skipped_s() + self.token_lifetime
            form = urllib.parse.parse_qs(r.body.decode("latin-1"))
            self.assertions += form.get("client_assertion", [])
        return token

    def give_token(self, r, text=None, **members):
        return as_json(200, {"access_token": self.new_token(r, text), "token_type": "bearer",
                             "expires_in": self.token_lifetime, **members}).set("Cache-Control", "no-store")

    def refuse(self, r):
        ends = self.tokens.get(r.bearer or "")
        if ends is not None and time.monotonic() + self.page.skipped_s() < ends:
            self.proven = True
            return None
        return outcome(401, "login", "no such token").set("WWW-Authenticate", 'Bearer error="invalid_token"')

    def fhir(self, r):
        if r.path.endswith("$export"):
            self.jobs[len(self.jobs) + 1] = self.polls
            return Reply(202, headers={"Content-Location": f"{self.fhir_url}/status/{len(self.jobs)}"})
        match = re.fullmatch(r"/fhir/(status|page)/(\d+)(?:/(\d+))?", r.path)
        job = int(match[2]) if match else 0
        if job not in self.jobs or job in self.removed:
            return outcome(404, "not-found", "there is no such export")
        if r.method == "DELETE":
            self.removed.add(job)
            return Reply(202)
        if self.jobs[job] > 0:
            self.jobs[job] -= 1
            return Reply(202, headers={"X-Progress": "half of it", "Retry-After": "1"})
        return as_json(200, self.manifest(job, int(match[3] or 0)))

    def manifest(self, job, page=0):
        origin = (self.files_host if self.elsewhere else self.payer).origin
        begin, end = page * self.per_page, (page + 1) * self.per_page
        output = [{"type": kind, "url": f"{origin}/files/{job}/{self.version}/{n}",
                   "count": len([line for line in self.kept[n].split(b"\n") if line.strip()])}
                  for n, (kind, _) in enumerate(self.files)][begin:end]
        more = [{"relation": "next", "url": f"{self.fhir_url}/page/{job}/{page + 1}"}] if end < len(self.files) else []
        return {"transactionTime": TRANSACTION_TIME, "request": f"{self.fhir_url}/Patient/$export",
                "requiresAccessToken": self.requires_token, "output": output, "error": [], "link": more}

    def give_file(self, r):
        if self.requires_token and r.host is self.payer and self.refuse(r):
            return self.refuse(r)
        _, _, _, version, number = r.path.split("/")
        if int(version) != self.version:
            return Reply(403, "<Error>Request has expired</Error>", {"Content-Type": "application/xml"})
        reply = Reply(200, self.files[int(number)][1], {"Content-Type": "application/fhir+ndjson"})
        if self.gzip and "gzip" in r.headers.get("accept-encoding", ""):
            reply = zipped(reply)
        return reply


def zipped(reply):
    reply.body = gzip.compress(reply.body, mtime=0)
    return reply.set("Content-Encoding", "gzip")
