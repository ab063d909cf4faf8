# SPDX-License-Identifier: Apache-2.0
"""payer - what the payer's side bears: `smartbulk serve` under load on the machine that makes the load, beside public tools.

Each case starts a server of its own, with a database of its own, and ends it. Used by bench/run."""
import json
import os
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from static_payer import TOKEN, StaticPayer, free_port, make_certificate

HALF = 0.5
WRK_SECONDS = 5
TOKEN_THREADS = 32  # twice the default: more who wait for the disk together cost fewer writes each


class Failure(Exception):
    pass


def program_output(argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{argv[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


class Payer:
    """`smartbulk serve` with one client, whose key is at `key`."""

    def __init__(self, build, folder, data, alg="ES384", tls=False, registration="open", **settings):
        self.program, self.dir = Path(build) / "smartbulk", Path(folder)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.port = free_port()
        self.base_url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.url, self.ca = self.base_url + "/fhir", None
        config = {"base_url": self.base_url, "listen": f"127.0.0.1:{self.port}", "database": "payer.db",
                  "data": {"folder": str(Path(data).resolve())}, "exports": {"folder": "exports", "retry_after": 1, "per_client": 0},
                  "auth": {"registration": registration, "tokens_per_minute": 0}, "log": {"requests": False}, **settings}
        if tls:
            make_certificate(self.dir)
            self.ca = self.dir / "cert.pem"
            os.chmod(self.dir / "key.pem", 0o600)
            config["tls"] = {"certificate": "cert.pem", "key": "key.pem"}
        (self.dir / "serve.yaml").write_text(json.dumps(config), encoding="utf-8")
        self.context = ssl.create_default_context(cafile=self.ca) if tls else None
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen([self.program, "serve", "--config", self.dir / "serve.yaml", "--json"],
                                        stdout=subprocess.PIPE, stderr=self.log, cwd=self.dir)
        if not self.process.stdout.readline():
            raise Failure("serve did not start: " + (self.dir / "log").read_text(encoding="utf-8"))
        self.register(alg)

    def register(self, alg):
        self.key = self.dir / "key.jwk"
        program_output([self.program, "key", "new", "--alg", alg, "-o", self.key])
        jwks = json.loads(program_output([self.program, "key", "jwks", self.key]))
        answer = self.ask("POST", self.base_url + "/register", json.dumps({"client_name": "bench", "jwks": jwks}).encode(),
                          {"Content-Type": "application/json"})
        self.client = json.loads(answer.read())["client_id"]
        program_output([self.program, "clients", "set", "--config", self.dir / "serve.yaml", "--group", "*", self.client])

    def ask(self, method, url, body=None, headers=None):
        return urllib.request.urlopen(urllib.request.Request(url, body, headers or {}, method=method), context=self.context, timeout=600)

    def token(self):
        ca = ["--ca-file", self.ca] if self.ca else []
        return program_output([self.program, "token", self.url, "--client-id", self.client, "--key", self.key, "--no-token-cache",
                               *ca]).strip()

    def kick_off(self, token, path):
        with self.ask("GET", self.url + path, headers={"Authorization": f"Bearer {token}", "Prefer": "respond-async"}) as answer:
            return answer.headers["Content-Location"]

    def manifest(self, token, job):
        while True:
            with self.ask("GET", job, headers={"Authorization": f"Bearer {token}"}) as answer:
                if answer.status == 200:
                    return json.loads(answer.read())
            time.sleep(0.02)  # the server's own word is a second, which is longer than what is measured

    def memory_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def one_line(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"1"}\n', encoding="ascii")
    return folder


# ---- tokens ----

def raw_verifications(algorithm):
    """What one core verifies a second, by openssl's own measure."""
    out = program_output(["openssl", "speed", "-seconds", "2", algorithm])
    return float(out.strip().splitlines()[-1].split()[-1])


def load_tokens(bench, payer, count, rate=0, connections=64):
    return json.loads(program_output([bench.build / "bench/bench-token-load", "--port", payer.port, "--token-url",
                                      payer.base_url + "/token", "--client", payer.client, "--key", payer.key, "--requests",
                                      count, "--connections", connections, "--rate", rate]))


def token_case(bench, alg, speed_name, count):
    """Tokens a second, closed loop, in turn with what a core verifies by itself; then the latencies at half of that, open loop.

    All of it is one machine's: the load takes from the same cores. What a token costs is counted in CPU time too, which says
    the same on a machine that has other work."""
    rates, server_us, load_us, raw = [], [], [], [raw_verifications(speed_name)]
    with Payer(bench.build, bench.work / "payer", one_line(bench.work / "one"), alg, threads=TOKEN_THREADS,
               audit={"file": "audit.ndjson"}) as payer:
        load_tokens(bench, payer, min(count, 200))  # threads and caches are there, as on any other day
        for _ in range(bench.runs):
            before = payer.cpu_s()
            got = load_tokens(bench, payer, count)
            server_us.append((payer.cpu_s() - before) / count * 1e6)
            if got["ok"] != got["requests"]:
                raise Failure(f"{got['requests'] - got['ok']} of {got['requests']} token requests failed")
            rates.append(got["per_s"])
            load_us.append(got["cpu_us"])
            raw.append(raw_verifications(speed_name))
        rate = statistics.median(rates)
        half = [load_tokens(bench, payer, max(200, int(count * HALF)), rate * HALF) for _ in range(bench.runs)]
    return {"per_s": rate, "raw_per_core": statistics.median(raw), "cores": os.cpu_count(), "cpu_us": statistics.median(server_us),
            "load_cpu_us": statistics.median(load_us), "half_rate": rate * HALF,
            "half_p50_ms": statistics.median(h["p50_ms"] for h in half), "half_p99_ms": statistics.median(h["p99_ms"] for h in half)}


def tokens_case(bench, smoke):
    return {"ES384": token_case(bench, "ES384", "ecdsap384", 300 if smoke else 8000),
            "RS384": token_case(bench, "RS384", "rsa2048", 300 if smoke else 30000)}


# ---- requests and files, by wrk ----

def wrk(url, connections, seconds, headers=(), threads=1):
    out = program_output(["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--latency",
                          *[x for h in headers for x in ("-H", h)], url])
    if "Non-2xx" in out or "Socket errors" in out:
        raise Failure(f"wrk {url}: {out}")
    unit = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "B": 1}
    transfer = re.search(r"Transfer/sec:\s+([\d.]+)(KB|MB|GB|B)", out)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    return {"per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "mb_per_s": float(transfer[1]) * unit[transfer[2]] * 1.048576 / 1e6,
            "p99_ms": float(p99[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[p99[2]]}


def median_of(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def decision_case(bench, smoke):
    seconds = 1 if smoke else WRK_SECONDS
    with Payer(bench.build, bench.work / "payer", one_line(bench.work / "one")) as payer:
        headers = [f"Authorization: Bearer {payer.token()}", "X-Original-Method: GET", "X-Original-URI: /fhir/Patient/1"]
        return median_of([wrk(payer.base_url + "/authorize-request", 64, seconds, headers) for _ in range(bench.runs)])


def file_case(bench, data, name, tls, seconds):
    """One file of some MB, again and again, from us and from nginx in turn."""
    ours, theirs = [], []
    folder = bench.work / "served"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(data / name, folder / name)
    with Payer(bench.build, bench.work / "payer", folder, tls=tls) as payer, \
            StaticPayer(bench.work / "nginx", folder, [name], tls=tls) as nginx:
        token = payer.token()
        url = payer.manifest(token, payer.kick_off(token, "/$export"))["output"][0]["url"]
        for _ in range(bench.runs):
            ours.append(wrk(url, 8, seconds, [f"Authorization: Bearer {token}"]))
            theirs.append(wrk(nginx.files[0], 8, seconds, [f"Authorization: Bearer {TOKEN}"]))
    ours, theirs = median_of(ours), median_of(theirs)
    return {"file_mb": (data / name).stat().st_size / 1e6, "mb_per_s": ours["mb_per_s"], "nginx_mb_per_s": theirs["mb_per_s"]}


def files_case(bench, data, names, smoke):
    seconds = 1 if smoke else WRK_SECONDS
    name = max(names, key=lambda n: (data / n).stat().st_size)
    return {"plain": file_case(bench, data, name, False, seconds), "tls": file_case(bench, data, name, True, seconds)}


# ---- preparing exports ----

def generation_case(bench, data, names):
    """An export that must look at every line of the folder: those of the newer half, by lastUpdated."""
    size, rates = sum((data / n).stat().st_size for n in names) / 1e6, []
    with Payer(bench.build, bench.work / "payer", data, exports={"folder": "exports", "per_client": 0, "workers": 1}) as payer:
        token = payer.token()
        for _ in range(bench.runs):
            began = time.monotonic()
            payer.manifest(token, payer.kick_off(token, "/$export?_since=2025-06-01T00:00:00Z"))
            rates.append(size / (time.monotonic() - began))
    return {"mb": size, "mb_per_s": statistics.median(rates)}


# ---- memory ----

def idle_case(bench, count):
    """Memory before and with `count` connections that say nothing more after one request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count + 1000), hard))
    sockets = []
    try:
        with Payer(bench.build, bench.work / "payer", one_line(bench.work / "one"), connections=count + 100,
                   connections_per_address=count + 100) as payer:
            before = payer.memory_mb()
            request = f"GET /fhir/metadata HTTP/1.1\r\nHost: 127.0.0.1:{payer.port}\r\n\r\n".encode()
            for i in range(count):
                s = socket.socket()
                s.bind((f"127.0.{1 + i // 20000}.1", 0))
                s.connect(("127.0.0.1", payer.port))
                s.sendall(request)
                sockets.append(s)
                if not s.recv(65536).startswith(b"HTTP/1.1 200"):
                    raise Failure("a connection was not served")
            after = payer.memory_mb()
            with payer.ask("GET", payer.url + "/metadata") as answer:  # and one more is served
                answer.read()
    finally:
        for s in sockets:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {"connections": count, "before_mb": before, "after_mb": after}


def queue_case(bench, count):
    """Memory before and with `count` exports kept, most of them waiting for their turn."""
    with Payer(bench.build, bench.work / "payer", one_line(bench.work / "one"),
               exports={"folder": "exports", "per_client": 0, "per_client_kept": count, "workers": 1}) as payer:
        token, before, taken = payer.token(), payer.memory_mb(), 0
        for _ in range(count):
            try:
                payer.kick_off(token, "/$export?_since=2020-01-01T00:00:00Z")
                taken += 1
            except urllib.error.HTTPError as refused:
                if refused.code not in (429, 503):
                    raise
                break
        return {"asked": count, "taken": taken, "before_mb": before, "after_mb": payer.memory_mb()}


def cases(bench, data, names, smoke):
    return {"payer_tokens": lambda: tokens_case(bench, smoke),
            "payer_decision": lambda: decision_case(bench, smoke),
            "payer_files": lambda: files_case(bench, data, names, smoke),
            "payer_generation": lambda: generation_case(bench, data, names),
            "payer_idle": lambda: idle_case(bench, 200 if smoke else 10_000),
            "payer_queue": lambda: queue_case(bench, 20 if smoke else 1000)}


def report(r):
    es, rs = r["payer_tokens"]["ES384"], r["payer_tokens"]["RS384"]
    plain, tls = r["payer_files"]["plain"], r["payer_files"]["tls"]
    limit, verify_us = es["raw_per_core"] * es["cores"], 1e6 / es["raw_per_core"]
    return ["", "## The payer's side", "",
            "`smartbulk serve` on SQLite (every token and used assertion on disk before it is answered, and told to the audit log), the "
            f"load made on the same {es['cores']} cores; {TOKEN_THREADS} threads for tokens, else the default.", "",
            "| | measured | asked |", "|---|---|---|",
            f"| ES384 tokens | {es['per_s']:,.0f}/s: **{100 * es['per_s'] / limit:.0f} %** of the {limit:,.0f} verifications that "
            f"`openssl speed` makes on all cores | ≥ 75 % |",
            f"| … in CPU time | {verify_us:,.0f} µs that a verification takes, of {es['cpu_us']:,.0f} µs of the server's and "
            f"{es['load_cpu_us']:,.0f} µs of the load's: **{100 * verify_us / (es['cpu_us'] + es['load_cpu_us']):.0f} %** | |",
            f"| … at half that load | p50 {es['half_p50_ms']:.1f} ms, p99 **{es['half_p99_ms']:.1f} ms** | p99 ≤ 20 ms |",
            f"| RS384 tokens (RSA 2048) | **{rs['per_s']:,.0f}/s**, {rs['cpu_us']:.0f} µs of the server's CPU each | ≥ 8,000/s |",
            f"| … at half that load | p50 {rs['half_p50_ms']:.1f} ms, p99 **{rs['half_p99_ms']:.1f} ms** | p99 ≤ 20 ms |",
            f"| decisions (`/authorize-request`) | **{r['payer_decision']['per_s']:,.0f}/s**, p99 {r['payer_decision']['p99_ms']:.1f} ms | "
            "≥ 30,000/s |",
            f"| files, plain | {plain['mb_per_s']:,.0f} MB/s, nginx {plain['nginx_mb_per_s']:,.0f} MB/s: "
            f"**{100 * plain['mb_per_s'] / plain['nginx_mb_per_s']:.0f} %** | ≥ 80 % |",
            f"| files, TLS | {tls['mb_per_s']:,.0f} MB/s, nginx {tls['nginx_mb_per_s']:,.0f} MB/s: "
            f"**{100 * tls['mb_per_s'] / tls['nginx_mb_per_s']:.0f} %** | ≥ 60 % |",
            f"| preparing an export, one worker | **{r['payer_generation']['mb_per_s']:,.0f} MB/s** read, filtered and written | ≥ 200 MB/s |",
            f"| {r['payer_idle']['connections']:,} idle connections | {r['payer_idle']['before_mb']:.0f} → "
            f"**{r['payer_idle']['after_mb']:.0f} MB** | bounded |",
            f"| {r['payer_queue']['taken']:,} exports waiting | {r['payer_queue']['before_mb']:.0f} → "
            f"**{r['payer_queue']['after_mb']:.0f} MB** | bounded |"]
