# SPDX-License-Identifier: Apache-2.0
"""`smartbulk serve` as a payer runs it: one process on SQLite, three on PostgreSQL, restarts, reloads, mistakes."""
import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.parse
import urllib.request

from context import wait_until
from partner import JWT_BEARER, SCOPE, Partner
from postgres import Postgres
from serve import Serve

PATIENTS = [f'{{"resourceType":"Patient","id":"p{i}","meta":{{"lastUpdated":"2026-01-01T00:00:00Z"}}}}' for i in range(20)]
COVERAGES = [f'{{"resourceType":"Coverage","id":"c{i}","beneficiary":{{"reference":"Patient/p{i}"}}}}' for i in range(20)]


def write_claims(t):
    folder = t.dir / "data"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text("".join(line + "\n" for line in PATIENTS))
    (folder / "Coverage.ndjson").write_text("".join(line + "\n" for line in COVERAGES))


def fetch_all(partner, token, manifest):
    """{type: lines} of all files."""
    lines = {}
    for item in manifest["output"]:
        answer = partner.send("GET", item["url"], headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, answer.body
        lines.setdefault(item["type"], []).extend(answer.body.decode().splitlines())
    return lines


def expect_all_claims(partner, token, path="/Patient/$export"):
    lines = fetch_all(partner, token, partner.export(token, path))
    assert sorted(lines.get("Patient", [])) == sorted(PATIENTS) and sorted(lines.get("Coverage", [])) == sorted(COVERAGES), lines


def test_a_partner_registers_gets_a_token_and_exports(t):
    write_claims(t)
    partner = Partner(t, Serve(t))
    expect_all_claims(partner, partner.token())


def test_clients_tokens_and_used_assertions_outlive_a_restart_and_a_kill(t):
    write_claims(t)
    serve = Serve(t)
    partner = Partner(t, serve)
    assertion = partner.assertion()
    token = partner.ask_token(assertion).json()["access_token"]
    for stop in (serve.end, serve.kill):
        stop()
        serve.settings["base_url"] = partner.token_url.removesuffix("/token")  # clients know it by its address
        serve.settings["listen"] = serve.settings["base_url"].removeprefix("http://")
        serve.write()
        serve.start()
        assert partner.ask("GET", "/Group", token).status in (200, 403)
        answer = partner.ask_token(assertion)
        assert answer.status == 401 and answer.json()["error"] == "invalid_client", answer.body
        assert partner.ask_token(partner.assertion()).status == 200


def test_three_processes_on_one_postgresql_are_one(t):
    write_claims(t)
    database = Postgres(t)
    try:
        first = Serve(t, "one", database=database.url)  # and one exports folder, as on a disk that all of them have
        others = [Serve(t, name, base_url=first.base_url, database=database.url) for name in ("two", "three")]
        servers = [first, *others]
        addresses = [f"http://127.0.0.1:{s.about['port']}" for s in servers]
        partner = Partner(t, first)

        def ask(i, *args, **named):
            return partner.ask(args[0], addresses[i] + args[1], *args[2:], **named)

        def ask_token(i, assertion):
            kept, partner.token_url = partner.token_url, addresses[i] + "/token"
            try:
                return partner.ask_token(assertion)
            finally:
                partner.token_url = kept

        # a client let in at one is soon known at all
        for i in (1, 2):
            wait_until(lambda i=i: ask_token(i, partner.assertion()).status == 200, "the client to be known everywhere")

        # a jti used at one is a replay at the others
        assertion = partner.assertion()
        assert ask_token(0, assertion).status == 200
        assert [ask_token(i, assertion).status for i in (1, 2, 0)] == [401, 401, 401]

        # of many at once, at all three, one wins
        assertion, statuses, start = partner.assertion(), [], threading.Barrier(50)

        def race(i):
            start.wait()
            statuses.append(partner.send("POST", addresses[i % 3] + "/token", partner.token_form(assertion), partner.FORM).status)
        threads = [threading.Thread(target=race, args=(i,)) for i in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200] + [401] * 49, statuses

        # a token from one works at all
        token = ask_token(1, partner.assertion()).json()["access_token"]
        assert all(ask(i, "GET", "/fhir/metadata", token).status == 200 for i in range(3))
        assert all(ask(i, "GET", "/fhir/jobs/none", token).status == 404 for i in range(3))

        # an export started at one is polled, fetched and ended at any
        for starts in range(3):
            kickoff = ask(starts, "GET", "/fhir/Patient/$export", token, Prefer="respond-async")
            assert kickoff.status == 202, kickoff.body
            job = kickoff.headers["Content-Location"].removeprefix(first.base_url)
            for i in range(3):
                wait_until(lambda: ask(i, "GET", job, token).status != 202, "the export")
                manifest = ask(i, "GET", job, token).json()
                assert {item["type"]: item["count"] for item in manifest["output"]} == {"Patient": 20, "Coverage": 20}
                for item in manifest["output"]:
                    files = [ask(j, "GET", item["url"].removeprefix(first.base_url), token) for j in range(3)]
                    assert [f.status for f in files] == [200] * 3 and len({f.body for f in files}) == 1
            assert ask((starts + 1) % 3, "DELETE", job, token).status == 202
            assert all(ask(i, "GET", job, token).status == 404 for i in range(3))
    finally:
        for serve in t.serves:
            serve.end()
        database.end()


def test_without_its_database_nobody_is_let_in_and_it_recovers(t):
    write_claims(t)
    database = Postgres(t)
    try:
        partner = Partner(t, Serve(t, database=database.url))
        token = partner.token()
        database.stop()
        answer = partner.ask_token(partner.assertion())
        assert answer.status == 503 and answer.json()["error"] == "temporarily_unavailable", answer.body
        assert answer.headers["Retry-After"]
        answer = partner.ask("GET", "/Patient/$export", token, Prefer="respond-async")
        assert answer.status == 503 and answer.headers["Retry-After"], answer.body  # a 401 would be final
        database.start()
        assert partner.ask_token(partner.assertion()).status == 200
        assert partner.ask("GET", "/Patient/$export", token, Prefer="respond-async").status == 202
    finally:
        for serve in t.serves:
            serve.end()
        database.end()


def test_every_mistake_of_the_configuration_is_said_with_its_line(t):
    config = t.dir / "wrong.yaml"
    config.write_text("base_url: https://payer.example\nlisten: 127.0.0.1:0\ndatabse: payer.db\nexports:\n  folder: x\n  keep: ever\n")
    result = t.run("serve", "--config", config, "--check-config", code=2)
    assert f"{config}:3: there is no key 'databse' here; is 'database' meant?" in result.err
    assert f"{config}:6: keep takes a whole number" in result.err
    assert "database is missing" in result.err
    assert t.run("serve", "--config", config, code=2).err.startswith("smartbulk: the configuration is not right")
    assert "--config FILE is missing" in t.run("serve", code=2).err
    assert t.run("serve", "--config", t.dir / "none.yaml", code=1).err


def test_the_files_that_a_configuration_names_are_looked_at_before_a_start(t):
    (t.dir / "wide").write_text("secret\n")
    (t.dir / "wide").chmod(0o644)
    (t.dir / "cert.pem").write_bytes(t.certificates.good[0].read_bytes())
    (t.dir / "key.pem").write_bytes(t.certificates.stranger[1].read_bytes())
    (t.dir / "key.pem").chmod(0o600)
    config = t.dir / "wrong.yaml"
    config.write_text("base_url: https://payer.example\nlisten: 127.0.0.1:0\ndatabase: payer.db\nexports: {folder: x}\n"
                      "tls: {certificate: cert.pem, key: key.pem}\ndata:\n  folder: nowhere\nauth:\n"
                      "  registration: token\n  registration_token_file: wide\n  jwks_ca_file: none.pem\n")
    result = t.run("serve", "--config", config, "--check-config", code=2)
    for line, words in ((5, "do not belong together"), (7, "nowhere"), (10, "wide"), (11, "none.pem")):
        assert any(f"{config}:{line}: " in said and words in said for said in result.err.splitlines()), (words, result.err)
    assert not (t.dir / "payer.db").exists() and not (t.dir / "x").exists()
    config.write_text("base_url: https://payer.example\nlisten: 127.0.0.1:0\ndatabase: payer.db\nexports: {folder: x}\n")
    assert "no mistake" in t.run("serve", "--config", config, "--check-config").out


def test_many_idle_connections_take_bounded_memory(t):
    write_claims(t)
    serve, many = Serve(t, log={"requests": False}, connections_per_address=0), 2000
    host, port = "127.0.0.1", serve.about["port"]

    def resident():
        return next(int(line.split()[1]) for line in open(f"/proc/{serve.about['pid']}/status") if line.startswith("VmRSS"))
    if "libasan" in open(f"/proc/{serve.about['pid']}/maps").read():
        t.skip("the address sanitizer's own memory is more than what is measured here")
    before, idle = resident(), []
    try:
        for _ in range(many):
            idle.append(socket.create_connection((host, port)))
            idle[-1].sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
        for connection in idle:
            connection.settimeout(60)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert resident() - before < many * 24 + 16384, "more than 24 KB a connection"  # of its buffer, 16 KB
        assert urllib.request.urlopen(serve.url + "/metadata", timeout=60).status == 200
    finally:
        for connection in idle:
            connection.close()


def test_one_address_cannot_take_all_connections(t):
    write_claims(t)
    serve, idle = Serve(t, connections_per_address=20), []
    host, port = "127.0.0.1", serve.about["port"]
    try:
        for _ in range(20):
            idle.append(socket.create_connection((host, port), timeout=60))
            idle[-1].sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle[-1].recv(100).startswith(b"HTTP/1.1 200")
        with socket.create_connection((host, port), timeout=60) as more:
            try:
                assert more.recv(1) == b"", "one more was served"
            except ConnectionResetError:
                pass
        with socket.create_connection((host, port), timeout=60, source_address=("127.0.0.2", 0)) as other:
            other.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200"), "others are not served"
        assert "127.0.0.1 has 20 connections" in serve.said()
    finally:
        for connection in idle:
            connection.close()


def test_what_serves_is_confined(t):
    write_claims(t)
    serve = Serve(t)
    pid = serve.about["pid"]
    if "libasan" in open(f"/proc/{pid}/maps").read() or "libtsan" in open(f"/proc/{pid}/maps").read():
        t.skip("a sanitizer's build looks into itself at its end, which the filter forbids")
    partner = Partner(t, serve)
    expect_all_claims(partner, partner.token())
    for thread in os.listdir(f"/proc/{pid}/task"):
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/task/{thread}/status").read().splitlines() if ":\t" in line)
        assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1", (thread, status)


def test_a_password_is_in_a_file_of_its_own_and_nowhere_else(t):
    write_claims(t)
    secret = t.dir / "keys" / "database"
    secret.write_text("postgresql://sb:hunter2-hunter2@127.0.0.1:1/payer\n")
    secret.chmod(0o600)
    config = t.dir / "serve.yaml"
    config.write_text(json.dumps({"base_url": "http://127.0.0.1:0", "listen": "127.0.0.1:0", "database_file": str(secret),
                                  "data": {"folder": "data"}, "exports": {"folder": "exports"}}))
    result = t.run("serve", "--config", config, code=5)
    assert "hunter2" not in result.out + result.err and "127.0.0.1" in result.err
    secret.chmod(0o644)
    assert "chmod" in t.run("serve", "--config", config, code=2).err


def test_a_reload_drops_no_request_and_a_wrong_file_changes_nothing(t):
    write_claims(t)
    serve = Serve(t, log={"requests": True})
    partner = Partner(t, serve)
    token, stop, failures = partner.token(), threading.Event(), []

    def ask_on():
        while not stop.is_set():
            status = partner.ask("GET", "/metadata", token).status
            if status != 200:
                failures.append(status)
    threads = [threading.Thread(target=ask_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for requests in (False, True, False):
        serve.settings["log"]["requests"] = requests
        serve.reload()
    serve.settings["nonsense"] = 1
    serve.write()
    serve.process.signal(1)
    wait_until(lambda: "nonsense" in serve.said(), "the mistake")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    count = len(serve.events())
    assert partner.ask("GET", "/metadata").status == 200 and len(serve.events()) == count  # still as read last
    del serve.settings["nonsense"]
    serve.settings["database"] = "another.db"
    serve.reload()
    assert "database is another now: that takes a restart" in serve.said()


def certificate_of(url):
    host, port = url.removeprefix("https://").removesuffix("/fhir").split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_a_new_certificate_is_served_without_a_restart(t):
    write_claims(t)
    cert, key = t.dir / "cert.pem", t.dir / "key.pem"

    def install(pair):
        for source, target in zip(pair, (cert, key)):
            shutil.copy(source, target)
            target.chmod(0o600)
    install(t.certificates.good)
    serve = Serve(t, ca=t.certificates.ca, base_url="https://127.0.0.1:0", tls={"certificate": str(cert), "key": str(key)})
    partner = Partner(t, serve)
    expect_all_claims(partner, partner.token())
    before = certificate_of(serve.url)
    install(t.certificates.stranger)
    serve.reload()
    after = certificate_of(serve.url)
    assert before != after and after.strip() == t.certificates.stranger[0].read_text().strip()
    key.write_bytes(t.certificates.good[1].read_bytes())  # one that does not belong to it
    serve.write()
    serve.process.signal(1)
    wait_until(lambda: "do not belong together" in serve.said(), "the mistake")
    assert certificate_of(serve.url) == after


def test_the_end_waits_for_who_is_being_served(t):
    write_claims(t)
    (t.dir / "data/Basic.ndjson").write_text('{"resourceType":"Basic","id":"b","text":"' + "x" * 32_000_000 + '"}\n')
    serve = Serve(t, drain=30)
    partner = Partner(t, serve, scope="system/*.rs")
    answer = partner.ask_token(partner.assertion(), scope="system/*.rs")
    token = answer.json()["access_token"]
    manifest = partner.export(token, "/$export")
    url = next(item["url"] for item in manifest["output"] if item["type"] == "Basic")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        first = answer.read(1000)
        serve.process.signal(15)
        size = len(first) + sum(len(block) for block in iter(lambda: answer.read(1 << 20), b""))
    assert size == int(answer.headers["Content-Length"])
    result = serve.process.wait()
    assert result.code == 0, result


def test_who_does_not_take_what_he_asked_for_does_not_hold_the_end_up(t):
    write_claims(t)
    (t.dir / "data/Basic.ndjson").write_text('{"resourceType":"Basic","id":"b","text":"' + "x" * 32_000_000 + '"}\n')
    serve = Serve(t, drain=1)
    partner = Partner(t, serve, scope="system/*.rs")
    token = partner.ask_token(partner.assertion(), scope="system/*.rs").json()["access_token"]
    url = next(item["url"] for item in partner.export(token, "/$export")["output"] if item["type"] == "Basic")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert len(answer.read(1000)) == 1000
        serve.end()  # while the rest waits


def test_how_much_is_logged_can_be_changed_while_it_serves(t):
    write_claims(t)
    serve = Serve(t, log={"level": "error", "requests": False})
    assert "serving" not in serve.said()
    serve.settings["log"].update(level="info", format="text")
    serve.reload()
    assert "info: the configuration was read again" in serve.said()
    serve.settings["nonsense"] = 1
    serve.write()
    serve.process.signal(1)
    wait_until(lambda: "error: all stays as it was" in serve.said(), "the mistake")


def test_a_service_manager_hears_when_it_is_ready_reloads_and_stops(t):
    write_claims(t)
    path = t.dir / "notify"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(60)
    t.env["NOTIFY_SOCKET"] = str(path)
    serve = Serve(t)
    assert listener.recv(200) == b"READY=1"
    serve.reload()
    heard = [listener.recv(200) for _ in range(2)]
    assert heard[0].startswith(b"RELOADING=1\nMONOTONIC_USEC=") and heard[1] == b"READY=1", heard
    serve.end()
    heard = [listener.recv(200)]
    while heard[-1] != b"STOPPING=1":
        assert heard[-1] == b"WATCHDOG=1", heard
        heard.append(listener.recv(200))
    listener.close()


def test_a_proxy_that_is_trusted_tells_whose_request_it_is(t):
    write_claims(t)
    serve = Serve(t, trusted_proxies=["127.0.0.1"])
    partner = Partner(t, serve)
    partner.ask("GET", "/metadata", X_Forwarded_For="203.0.113.9, 198.51.100.7")
    wait_until(lambda: any(e["path"] == "/fhir/metadata" for e in serve.events()), "the log")
    assert [e["peer"] for e in serve.events() if e["path"] == "/fhir/metadata"] == ["198.51.100.7"]
    other = Serve(t, "untrusting", database="other.db", exports={"folder": "other-exports"})
    partner.ask("GET", other.url + "/metadata", X_Forwarded_For="203.0.113.9")
    wait_until(lambda: other.events(), "the log")
    assert [e["peer"] for e in other.events()] == ["127.0.0.1"]


def test_what_a_stranger_says_of_host_and_scheme_goes_into_no_url(t):
    write_claims(t)
    partner = Partner(t, Serve(t))
    spoofed = {"Host": "evil.example", "X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "https", "Forwarded": "host=evil.example"}
    document = partner.ask("GET", "/.well-known/smart-configuration", **spoofed)
    token = partner.token()
    kickoff = partner.ask("GET", "/Patient/$export", token, Prefer="respond-async", **spoofed)
    assert kickoff.status == 202 and "evil.example" not in kickoff.headers["Content-Location"]
    assert b"evil.example" not in document.body


class Nginx:
    """The project's own sample configuration, before a file tree that stands for a FHIR server."""

    def __init__(self, t, serve):
        if not shutil.which("nginx"):
            t.skip("there is no nginx on this machine (package nginx-light)")
        self.dir = t.dir / "nginx"
        tree = self.dir / "tree/fhir"
        for path, text in {"Patient/p1": "a patient", "Coverage/c1": "a coverage", "metadata": "what I am"}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        front, back = free_port(), free_port()
        sample = (t.project / "examples/nginx/auth-request.conf").read_text()
        for there, here in {"127.0.0.1:8088": f"127.0.0.1:{front}", "127.0.0.1:8089": f"127.0.0.1:{back}",
                            "127.0.0.1:8080": f"127.0.0.1:{serve.about['port']}"}.items():
            assert there in sample
            sample = sample.replace(there, here)
        temporary = "".join(f"{name}_temp_path {self.dir}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.dir / "nginx.conf"
        config.write_text(f"daemon off; master_process off; pid {self.dir}/pid; error_log {self.dir}/error.log; events {{}}\n"
                          f"http {{ access_log off; {temporary}\n{sample}\n"
                          f"server {{ listen 127.0.0.1:{back}; root {self.dir}/tree;\n"
                          f"  add_header X-Seen-Client $http_x_client_id; add_header X-Seen-Authorization $http_authorization; }} }}\n")
        self.process = subprocess.Popen(["nginx", "-p", self.dir, "-c", config], stderr=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{front}"
        wait_until(lambda: can_connect(front), "nginx")

    def end(self):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def can_connect(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_nginx_lets_through_to_a_file_tree_what_the_token_covers_and_nothing_else(t):
    write_claims(t)
    serve = Serve(t)
    partner = Partner(t, serve)
    token = partner.ask_token(partner.assertion(), scope="system/Patient.rs").json()["access_token"]
    nginx = Nginx(t, serve)
    try:
        def get(path, token=token, **headers):
            return partner.ask("GET", nginx.url + path, token, **headers)
        let_in = get("/fhir/Patient/p1", X_Client_Id="somebody-else")
        assert let_in.status == 200 and let_in.body == b"a patient"
        assert let_in.headers["X-Seen-Client"] == partner.client_id and not let_in.headers.get("X-Seen-Authorization")
        refused = get("/fhir/Coverage/c1")
        assert refused.status == 403 and "insufficient_scope" in refused.headers["WWW-Authenticate"]
        for bad in (None, "wrong-token"):
            refused = get("/fhir/Patient/p1", bad)
            assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Bearer"), refused.headers
        assert get("/fhir/metadata", None).body == b"what I am"
        spoofed = {"X_Original_URI": "/fhir/metadata", "X_Original_Method": "GET", "X_FHIR_Base": "/"}
        assert get("/fhir/Coverage/c1", **spoofed).status == 403
        for trick in ("/fhir/metadata/../Coverage/c1", "/fhir/Patient/..%2fCoverage/c1", "/fhir//Coverage/c1",
                      "/fhir/Patient/%2e%2e/Coverage/c1", "/fhir/Coverage%2fc1", "/fhir/./Coverage/c1"):
            assert get(trick).status in (400, 403), trick
    finally:
        nginx.end()


def test_envoy_asks_by_the_request_itself(t):
    write_claims(t)
    serve = Serve(t)
    partner = Partner(t, serve)
    token = partner.ask_token(partner.assertion(), scope="system/Patient.rs").json()["access_token"]

    def ask(method, path, **headers):
        return partner.ask(method, serve.base_url + "/authorize-request" + path, token, **headers)
    answer = ask("GET", "/fhir/Patient/p1")
    assert answer.status == 204 and answer.headers["X-Client-Id"] == partner.client_id
    assert answer.headers["X-Client-Scope"] == "system/Patient.rs"
    assert ask("DELETE", "/fhir/Patient/p1").status == 403
    assert ask("GET", "/fhir/Coverage/c1", X_Original_URI="/fhir/Patient/p1", X_Original_Method="GET").status == 403
    assert ask("GET", "/r4/Patient/p1", X_FHIR_Base="/r4").status == 204
    assert ask("GET", "").status == 400


def basic(name, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def test_a_named_resource_server_and_nobody_else_hears_what_a_token_stands_for(t):
    write_claims(t)
    secret = t.dir / "keys" / "hapi"
    secret.write_text("s3cret/with+signs%and:colon\n")
    secret.chmod(0o600)
    serve = Serve(t, auth={"registration": "open", "resource_servers": [{"id": "hapi", "secret_file": str(secret)}]})
    partner = Partner(t, serve)
    token = partner.token()
    document = partner.ask("GET", serve.base_url + "/.well-known/oauth-authorization-server").json()
    assert document["issuer"] == serve.base_url and document["token_endpoint"] == partner.token_url
    assert document["introspection_endpoint_auth_methods_supported"] == ["client_secret_basic"]
    assert document["response_types_supported"] == []
    good = basic("hapi", urllib.parse.quote_plus("s3cret/with+signs%and:colon"))

    def ask(token, headers, kind="application/x-www-form-urlencoded"):
        body = urllib.parse.urlencode({"token": token} if token is not None else {}).encode()
        return partner.send("POST", document["introspection_endpoint"], body, {"Content-Type": kind, **headers})
    answer = ask(token, good)
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store", answer.body
    told = answer.json()
    assert told["active"] is True and told["client_id"] == told["sub"] == partner.client_id and told["scope"] == SCOPE
    assert told["exp"] - told["iat"] in (300, 301) and told["iss"] == serve.base_url
    assert ask("unknown", good).json() == {"active": False}
    for bad in ({}, basic("hapi", "wrong"), basic("other", "s3cret"), {"Authorization": "Basic !!!"},
                {"Authorization": f"Bearer {token}"}, basic("hapi", ""), {"Authorization": "Basic " + "A" * 9000}):
        answer = ask(token, bad)
        assert answer.status == 401 and answer.json()["error"] == "invalid_client", answer.body
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert ask(None, good).status == 400 and ask(token, good, "application/json").status == 400
    assert "s3cret" not in serve.said()


def test_a_client_ends_its_own_tokens_and_nobody_elses(t):
    write_claims(t)
    serve = Serve(t)
    partner, other = Partner(t, serve), Partner(t, serve)
    mine, theirs = partner.token(), other.token()

    def revoke(token, assertion):
        fields = {"client_assertion_type": JWT_BEARER, "client_assertion": assertion}
        if token:
            fields["token"] = token
        return partner.send("POST", serve.base_url + "/revoke", urllib.parse.urlencode(fields).encode(), partner.FORM)
    used = partner.assertion()
    assert revoke(theirs, used).status == 200  # no error, and nothing happens
    assert other.ask("GET", "/jobs/none", theirs).status == 404
    assert revoke(mine, used).status == 401  # an assertion is good once, whatever for
    assert partner.ask_token(used).status == 401
    assert partner.ask("GET", "/jobs/none", mine).status == 404
    assert revoke(mine, partner.assertion()).status == 200
    assert partner.ask("GET", "/jobs/none", mine).status == 401
    assert revoke("never-was-one", partner.assertion()).status == 200
    assert revoke(None, partner.assertion()).status == 400
    assert revoke(theirs, "nonsense").status == 401


def test_a_client_that_asks_too_often_waits_and_holds_up_nobody(t):
    write_claims(t)
    serve = Serve(t, auth={"registration": "open", "tokens_per_minute": 3})
    partner, other = Partner(t, serve), Partner(t, serve)
    assert [partner.ask_token(partner.assertion()).status for _ in range(3)] == [200] * 3
    assertion = partner.assertion()
    answer = partner.ask_token(assertion)
    assert answer.status == 429 and 1 <= int(answer.headers["Retry-After"]) <= 20, answer.body
    assert other.ask_token(other.assertion()).status == 200
    for _ in range(5):  # a stranger in its name takes nothing from it
        other.ask_token(other.assertion(iss=partner.client_id, sub=partner.client_id))
    serve.settings["auth"]["tokens_per_minute"] = 1000
    serve.reload()
    assert partner.ask_token(assertion).status == 200  # and the refused one was not used up
