# SPDX-License-Identifier: Apache-2.0
"""`smartbulk serve` is asked for tokens and exports, struck meanwhile, started again on what it left, and held to what it
had answered: whoever was answered is not betrayed. It has threads, so points are not quite the same from run to run:
what is judged is what must hold whatever the order."""
import collections
import contextlib
import gzip
import http.client
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zlib
from pathlib import Path

import board as boards
from trial import CAUSES, DAY_S, DEADLINE_S, Fault, Machine, need, tree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
import data
from context import wait_until
from partner import JWT_BEARER, b64, jose

BASE = "http://127.0.0.1:9"  # what it calls itself: the same in all trials, wherever it listens
ASSERTION_AGE_S, ASSERTION_LIFE_S = 100, 290
LEASE_S = 61  # set forward at the restart: an export whose process died is taken over after 60 s
CONFIG = {"base_url": BASE, "listen": "127.0.0.1:0", "threads": 2, "database": "payer.db", "data": {"folder": "data"},
          "auth": {"registration": "pending"}, "exports": {"folder": "exports", "retry_after": 1, "workers": 1, "file_bytes": 1024},
          "audit": {"file": "audit.ndjson"}, "drain": 5}
NOBODYS_JOB = "/fhir/jobs/" + "0" * 32


class Gone(Exception):
    """The connection broke."""


class Troubled(Exception):
    """It answered 5xx."""


class House:
    """What the trials of one worker begin with: a configuration, claims, a client and its rosters; and the client's key."""

    def __init__(self, program, folder):
        self.program, self.dir = program, Path(folder)
        (self.dir / "payer/data").mkdir(parents=True)
        (self.dir / "payer/serve.yaml").write_text(json.dumps(CONFIG))
        self.claims = {"Patient": [data.patient(n) for n in range(6)],
                       "ExplanationOfBenefit": [data.claim(n, 0) for n in range(6)]}
        for name, lines in self.claims.items():
            (self.dir / "payer/data" / f"{name}.ndjson").write_bytes(b"".join(lines))
        shutil.copytree(self.dir / "payer", self.dir / "bare")
        self.key = self.dir / "key.jwk"
        self.run("key", "new", "-o", self.key)
        self.public = json.loads(self.run("key", "jwks", self.key))
        (self.dir / "public.json").write_text(json.dumps(self.public))
        (self.dir / "rosters.ndjson").write_bytes(data.line({
            "resourceType": "Group", "id": "north", "type": "person", "actual": True,
            "member": [{"entity": {"reference": f"Patient/p{n}"}} for n in (0, 2, 4)]}))
        config = ["--config", self.dir / "payer/serve.yaml"]
        self.run("load", *config, "--groups", self.dir / "rosters.ndjson")
        self.run("clients", "add", *config, "--id", "acme", "--jwks", self.dir / "public.json", "--group", "*", "--group", "north")
        self.made_s, self.assertions = -ASSERTION_AGE_S, []

    def run(self, *args):
        return subprocess.run([self.program, *map(str, args)], check=True, capture_output=True, text=True).stdout

    def begin_trial(self):
        """Assertions that live to its end. Each trial has a database of its own, so that all may use the same."""
        if time.monotonic() - self.made_s >= ASSERTION_AGE_S:
            self.made_s, self.assertions = time.monotonic(), []

    def assertion(self, n):
        while len(self.assertions) <= n:
            now = int(time.time())
            claims = {"iss": "acme", "sub": "acme", "aud": f"{BASE}/token", "iat": now, "exp": now + ASSERTION_LIFE_S,
                      "jti": f"assertion-{len(self.assertions)}"}
            key = self.public["keys"][0]
            header = {"protected": {"alg": key["alg"], "kid": key["kid"], "typ": "JWT"}}
            self.assertions.append(jose("jws", "sig", "-I", "-", "-k", self.key, "-s", json.dumps(header), "-c",
                                        text=json.dumps(claims)).strip())
        return self.assertions[n]

    def wanted(self, roster, type_name):
        """The lines of an export."""
        lines = self.claims[type_name]
        return sorted(lines if roster != "north" else lines[0::2])


class Running:
    """A serve that runs. Its log goes to a file, which no point is: stdio's writes are inside the C library."""

    def __init__(self, machine, **strike):
        self.machine, self.log = machine, tempfile.TemporaryFile(mode="w+", errors="replace")
        self.process = machine.start(["serve", "--config", machine.dir / "serve.yaml", "--json"], stderr=self.log, **strike)
        line = self.process.stdout.readline()
        self.port = json.loads(line)["port"] if line and "port" in json.loads(line) else None
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port or 1, timeout=DEADLINE_S)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def code(self):
        """How it ended."""
        code = self.process.wait(DEADLINE_S)
        self.connection.close()
        self.machine.text += f"$ serve: exit {code}\n{self.said()}"
        return code

    def end(self):
        """As it is told to. A strike may come first."""
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        return self.code()

    def make_room(self):
        """When it was struck, and has said so."""
        if self.machine.board.struck and any(
                cause in self.said() for causes in CAUSES.values() for cause in causes):
            self.machine.board.lift()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def ask(self, method, path, token=None, body=None, **headers):
        """(status, headers, body)"""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            names["Authorization"] = f"Bearer {token}"
        try:
            self.connection.request(method, path.removeprefix(BASE), body, names)
            answer = self.connection.getresponse()
            got = answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException) as broken:
            self.connection.close()
            raise Gone(f"{method} {path}: {broken!r}") from broken
        self.machine.text += f"> {method} {path} {got[0]}\n"
        if got[0] >= 500:
            raise Troubled(f"{method} {path}: {got[0]} {got[2][:200]}")
        return got

    def ask_token(self, assertion, path="/token", **fields):
        form = {"client_assertion_type": JWT_BEARER, "client_assertion": assertion, **fields}
        return self.ask("POST", path, body=urllib.parse.urlencode(form),
                        Content_Type="application/x-www-form-urlencoded")


class Known:
    """What was answered."""

    def __init__(self):
        self.used, self.live, self.ended, self.clients = [], [], [], []
        self.doubtful = None  # a token that may be revoked
        self.jobs = {}  # id: roster
        self.deleting, self.deleted, self.failed = set(), set(), set()
        self.events = []  # (event, job or client, is it durable)
        self.unanswered = False  # a request, or answered 5xx: what came of it nobody knows

    def tell(self, event, whose, durable=True):
        self.events.append((event, whose, durable))


class Day:
    """The script. Each step may be done again when it was answered 5xx."""

    def __init__(self, house, running, known):
        self.house, self.running, self.known = house, running, known
        self.drawn = 0

    def fresh(self):
        self.drawn += 1
        return self.house.assertion(self.drawn - 1)

    # steps

    def let_in(self):
        assertion = self.fresh()
        status, _, body = self.running.ask_token(assertion, grant_type="client_credentials", scope="system/*.rs")
        need(status == 200, f"a good assertion is answered {status} {body}")
        self.token = json.loads(body)["access_token"]
        self.known.used.append(assertion)
        self.known.live.append(self.token)
        self.known.tell("token.issued", "acme", durable=False)

    def come_again(self):
        self.refuse_replays()

    def register(self):
        metadata = {"client_name": "newcomer", "jwks": self.house.public, "scope": "system/*.rs",
                    "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt"}
        status, _, body = self.running.ask("POST", "/register", body=json.dumps(metadata), Content_Type="application/json")
        need(status == 201, f"a registration is answered {status} {body}")
        self.known.clients.append(json.loads(body)["client_id"])
        self.known.tell("client.registered", self.known.clients[-1])

    def export_roster(self):
        self.export("north")

    def export_all(self):
        self.export("*")
        # a copy is made beside, and is served from then on
        folder = self.running.machine.dir / "exports/gzip"
        wait_until(lambda: len(list(folder.glob("*.gz"))) == 1 or self.running.machine.board.struck, "a compressed copy", DEADLINE_S)
        for url in self.files:
            self.fetch_packed(url)

    def revoke(self):
        assertion, token = self.fresh(), self.known.doubtful or self.known.live.pop(0)
        self.known.doubtful = token  # until it is answered
        status, _, body = self.running.ask_token(assertion, "/revoke", token=token)
        need(status == 200, f"a revocation is answered {status} {body}")
        self.known.used.append(assertion)
        self.known.ended.append(token)
        self.known.doubtful = None
        self.known.tell("token.revoked", "acme")

    def drop(self):
        self.delete(next(iter(self.known.jobs)))

    # what they are made of

    def delete(self, job):
        tried = job in self.known.deleting
        self.known.deleting.add(job)
        status, _, body = self.running.ask("DELETE", f"/fhir/jobs/{job}", self.token)
        need(status == 202 or (tried and status == 404), f"DELETE is answered {status} {body}")
        self.known.deleted.add(job)
        if status == 202:
            self.known.tell("export.deleted", job)
        need(self.look(job)[0] == 404, "a deleted export is there")

    def look(self, job):
        return self.running.ask("GET", f"/fhir/jobs/{job}", self.token)

    def export(self, roster):
        path = "/fhir/Patient/$export" if roster == "*" else f"/fhir/Group/{roster}/$export"
        status, headers, body = self.running.ask("GET", path, self.token, Prefer="respond-async", Accept="application/fhir+json")
        need(status == 202, f"a kick-off is answered {status} {body}")
        job = headers["Content-Location"].rsplit("/", 1)[1]
        self.known.jobs[job] = roster
        self.known.tell("export.started", job)
        try:
            need(self.finish(job), "an export that was just asked for is not there")
        except Troubled:
            self.known.failed.add(job)
            raise

    def finish(self, job):
        """To its end: its files are whole. False: it is not there."""
        found = []

        def done():
            found[:] = self.look(job)
            self.running.make_room()  # who prepares it tries again and again, and nobody answers 5xx
            return found[0] != 202
        wait_until(done, "the export", DEADLINE_S)
        if found[0] == 404:
            return False
        need(found[0] == 200, f"an export is answered {found[0]} {found[2]}")
        manifest = json.loads(found[2])
        self.known.tell("export.finished", job)
        self.files = [item["url"] for item in manifest["output"]]
        lines = collections.defaultdict(list)
        for item in manifest["output"]:
            got = self.fetch(item["url"]).splitlines(keepends=True)
            need(len(got) == item["count"], f"{item['url']} has {len(got)} lines, not {item['count']}")
            lines[item["type"]] += got
        for name in self.house.claims:
            need(sorted(lines[name]) == self.house.wanted(self.known.jobs[job], name), f"{job}: {name} is not what it should be")
        need(not manifest["error"] and not manifest["deleted"], "there is more in it")
        for url in self.files if self.known.jobs[job] == "*" else ():
            self.fetch_packed(url)
        return True

    def fetch(self, url, **headers):
        status, names, body = self.running.ask("GET", url, self.token, Accept="application/fhir+ndjson", **headers)
        need(status == 200, f"{url} is answered {status} {body}")
        self.known.tell("export.file", url.split("/")[-2], durable=False)
        try:
            return gzip.decompress(body) if names["Content-Encoding"] == "gzip" else body
        except (EOFError, OSError, zlib.error) as broken:
            raise Fault(f"{url} compressed is not whole: {broken!r}") from broken

    def fetch_packed(self, url):
        name = url.rsplit("/", 1)[1].split(".")[0]
        need(sorted(self.fetch(url, Accept_Encoding="gzip").splitlines(keepends=True)) == self.house.wanted("*", name),
             f"{url} compressed is another file")

    # promises

    def refuse_replays(self):
        for assertion in self.known.used:
            status, _, _ = self.running.ask_token(assertion, grant_type="client_credentials", scope="system/*.rs")
            need(status == 401, f"an assertion that was used is answered {status}")
            self.known.tell("token.refused", "acme", durable=False)

    def judge_tokens(self):
        for token in self.known.live:
            need(self.running.ask("GET", NOBODYS_JOB, token)[0] == 404, "a token that was given does not work")
        for token in self.known.ended:
            need(self.running.ask("GET", NOBODYS_JOB, token)[0] == 401, "a token that was revoked works")

    def judge_jobs(self):
        for job in self.known.jobs:
            if job in self.known.deleted:
                need(self.look(job)[0] == 404, f"{job} was deleted, and is there")
            elif job in self.known.failed:
                self.delete(job)
            elif self.finish(job):
                self.delete(job)
            else:
                need(job in self.known.deleting, f"{job} is not there any more")


class ADay:
    name, bare = "serve, a day", False
    steps = (Day.let_in, Day.come_again, Day.register, Day.export_roster, Day.let_in, Day.export_all, Day.revoke,
             Day.judge_tokens, Day.drop)

    def set_up(self, folder):
        pass


class FirstDay(ADay):
    """The database is made; nobody is known yet."""
    name, bare = "serve, from nothing", True
    steps = (Day.register,)


class TornLine(ADay):
    """After a crash in the middle of a line of the audit log."""
    name, torn = "serve, after a torn line", b'{"seq":1,"time":"2026-'
    steps = (Day.let_in,)

    def set_up(self, folder):
        (folder / "audit.ndjson").write_bytes(self.torn)


ALL = [ADay(), FirstDay(), TornLine()]


class ServeTrial(Machine):
    def __init__(self, program, fault, folder, house, scenario):
        super().__init__(program, fault, folder)
        self.house, self.scenario, self.known = house, scenario, Known()
        house.begin_trial()
        shutil.copytree(house.dir / ("bare" if scenario.bare else "payer"), self.dir, dirs_exist_ok=True)
        scenario.set_up(self.dir)
        self.begun = set(tree(self.dir))
        self.day, self.serving = Day(house, None, self.known), None

    def serve(self, **strike):
        """False: it did not start."""
        self.stop()
        self.serving = self.day.running = Running(self, **strike)
        return self.serving.port is not None

    def stop(self):
        if self.serving:
            self.serving.kill()
        self.serving = None

    def said(self):
        return self.text + (self.serving.said() if self.serving else "")

    def close(self):
        self.stop()
        super().close()

    # struck

    def live(self, at=0, how=boards.NONE):
        """A day until the strike, or its end. What happened."""
        if not self.serve(at=at, strike=how):
            return self.not_started(how)
        try:
            for step in self.scenario.steps:
                self.take(step, how)
        except Gone:
            self.known.unanswered = True
            return self.died(how, self.serving.code())
        code = self.serving.end()
        if code == -signal.SIGKILL:
            return self.died(how, code)
        need(code == 0 or how in CAUSES, f"told to end, it exits with {code}")
        return "tolerated" if self.board.struck else "not reached"

    def died(self, how, code):
        need(how in boards.DEADLY and code == -signal.SIGKILL, f"it ended with {code}")
        self.boots += how in boards.CUTS
        return "struck"

    def not_started(self, how):
        code = self.serving.code()
        if code == -signal.SIGKILL:
            return self.died(how, code)
        need(how in CAUSES and code == 1, f"it did not start: exit {code}")
        self.need_cause(how)
        return "struck"

    def need_cause(self, how):
        need(any(cause in self.serving.said() for cause in CAUSES[how]), "the log does not name the cause")

    def take(self, step, how):
        """One step; when it is answered 5xx, there is room again, and it must go."""
        try:
            step(self.day)
        except Troubled:
            need(how in CAUSES and self.board.struck, "5xx for nothing")
            self.need_cause(how)
            self.known.unanswered = True
            self.board.lift()
            try:
                step(self.day)
            except Troubled:  # a sync that failed is not asked again: what is on disk nobody knows
                need("nothing more is let in" in self.serving.said(), "it is not well again")
                need(self.serving.end() == 0 and self.serve(), "it does not start again")
                step(self.day)

    # judged

    def judge(self, how):
        cut = how in boards.CUTS
        need(self.serve(clock_shift_s=LEASE_S), "it does not start again")
        for step in () if self.scenario.bare else (Day.refuse_replays, Day.let_in, Day.judge_tokens, Day.judge_jobs, Day.export_roster,
                                                   Day.judge_jobs):
            step(self.day)
        need(self.serving.end() == 0, "it does not end well")
        if self.rows("SELECT id FROM jobs") or self.left():
            need(self.known.unanswered or not self.rows("SELECT id FROM jobs"), "there are exports that nobody asked for")
            self.sweep()
        need(not self.left(), f"left over: {self.left()}")
        self.judge_register()
        self.judge_audit(cut)

    def rows(self, sql):
        with contextlib.closing(sqlite3.connect(self.dir / "payer.db")) as db:
            need(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "the database is damaged")
            return [row[0] for row in db.execute(sql)]

    def left(self):
        """What has no business to be there."""
        kept = re.compile(r"(payer\.db|audit\.ndjson|exports|exports/jobs|exports/gzip|exports/gzip/[^/]+\.gz)")
        names = set(tree(self.dir)) - self.begun
        if "audit.repaired" in (self.dir / "audit.ndjson").read_text():
            names.discard("audit.ndjson.torn")
        return sorted(name for name in names if not kept.fullmatch(name) and not name.startswith("lost/"))

    def sweep(self):
        """What nobody heard of expires."""
        need(self.serve(clock_shift_s=2 * DAY_S), "it does not start again")
        wait_until(lambda: not tree(self.dir / "exports/jobs"), "the folders of expired exports to be gone", DEADLINE_S)
        need(self.serving.end() == 0, "it does not end well")
        need(not self.rows("SELECT id FROM jobs"), "expired exports are kept")

    def judge_register(self):
        clients = set(self.rows("SELECT id FROM clients"))
        missing = set(self.known.clients) - clients
        need(not missing, f"a client that was registered is not: {missing}")
        others = clients - set(self.known.clients) - {"acme"}
        need(len(others) <= self.known.unanswered, f"clients that nobody registered: {others}")

    def judge_audit(self, cut):
        need(self.program_run(["audit", "verify", "audit.ndjson"]) == 0, "the audit log is not whole")
        lines = [json.loads(line) for line in (self.dir / "audit.ndjson").read_text().splitlines()]
        told = collections.Counter((line["event"], line.get("job") or line.get("client")) for line in lines)
        wanted = collections.Counter((event, whose) for event, whose, durable in self.known.events if durable or not cut)
        missing = {what: n - told[what] for what, n in wanted.items() if told[what] < n and what[0] != "export.finished"}
        missing |= {what: 1 for what in wanted if what[0] == "export.finished" and not told[what]}
        need(not missing, f"answered, and not in the audit log: {missing}")


def count(trial):
    trial.live()
    points = trial.board.trace()
    need(points, "no point was counted: fault.c was not loaded")
    trial.judge(boards.NONE)
    return points


def strike(trial, at, how):
    """What happened."""
    what = trial.live(at, how)
    trial.judge(how)
    return what
