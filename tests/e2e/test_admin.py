# SPDX-License-Identifier: Apache-2.0
"""The listener for who watches and administers: readiness that follows the truth, metrics, administration, its guards."""
import http.client
import json
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess

from context import wait_until
from partner import Partner
from postgres import Postgres
from serve import Serve


METRIC = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+.e0-9]+$|# (HELP|TYPE) [a-z_]+ .+$')


class Admin:
    def __init__(self, serve, token=None, context=None):
        self.port, self.token, self.context = serve.about["adminPort"], token, context

    def ask(self, method, path, **headers):
        """(status, headers, JSON or text)"""
        names = {"Host": f"127.0.0.1:{self.port}", **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
                 **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = (http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=60) if self.context
                      else http.client.HTTPConnection("127.0.0.1", self.port, timeout=60))
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in names.items():
                if value is None:
                    continue
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        return answer.status, answer.headers, json.loads(body) if "json" in (answer.headers["Content-Type"] or "") else body

    def status(self, method, path, **headers):
        return self.ask(method, path, **headers)[0]


def metrics(admin):
    """As a dict, each line looked at."""
    lines = admin.ask("GET", "/metrics")[2].splitlines()
    for line in lines:
        assert METRIC.match(line), line
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def events(t):
    return [json.loads(line) for line in (t.dir / "audit.ndjson").read_text().splitlines()]


def write_data(t):
    (t.dir / "data").mkdir()
    (t.dir / "data/Patient.ndjson").write_text('{"resourceType":"Patient","id":"1"}\n')


def start(t, **settings):
    write_data(t)
    serve = Serve(t, **{"admin": {"listen": "127.0.0.1:0"}, "audit": {"file": "audit.ndjson"}, **settings})
    return serve, Admin(serve)


def test_it_is_ready_while_it_can_do_its_work_and_says_what_fails(t):
    database = Postgres(t)
    try:
        serve, admin = start(t, database=database.url)
        status, _, ready = admin.ask("GET", "/readyz")
        assert status == 200 and ready["ready"] is True
        assert ready["checks"] == {name: "ok" for name in ("database", "keys", "clock", "audit", "exports", "serving")}, ready
        database.stop()
        wait_until(lambda: admin.status("GET", "/readyz") == 503, "a 503")
        assert admin.ask("GET", "/readyz")[2]["checks"]["database"] != "ok"
        assert admin.status("GET", "/healthz") == 200 and "smartbulk_database_up 0" in admin.ask("GET", "/metrics")[2]
        database.start()
        wait_until(lambda: admin.status("GET", "/readyz") == 200, "a 200")
        shutil.move(t.dir / "exports", t.dir / "elsewhere")
        wait_until(lambda: admin.status("GET", "/readyz") == 503, "a 503")
        assert "exports" in admin.ask("GET", "/readyz")[2]["checks"]["exports"]
        shutil.move(t.dir / "elsewhere", t.dir / "exports")
        wait_until(lambda: admin.status("GET", "/readyz") == 200, "a 200")
    finally:
        for serve in t.serves:
            serve.end()
        database.end()


def test_a_database_that_hangs_holds_up_nobody_who_asks(t):
    serve, admin = start(t)
    assert admin.status("GET", "/readyz") == 200
    holder = sqlite3.connect(t.dir / "payer.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # as long as this lasts no row is taken
    wait_until(lambda: admin.status("GET", "/readyz") == 503, "a 503")
    found = admin.ask("GET", "/readyz")[2]["checks"]
    assert "hangs" in found["database"] and found["serving"] == "ok", found
    for _ in range(8):  # more than there are threads
        assert admin.status("GET", "/healthz") == 200
    seen = metrics(admin)
    assert (seen["smartbulk_ready"], seen["smartbulk_database_up"]) == (0, 0)
    assert 'smartbulk_exports{state="done"}' not in seen, "what is not known is not told"
    holder.execute("ROLLBACK")
    wait_until(lambda: admin.status("GET", "/readyz") == 200, "a 200")
    serve.end()


def test_it_is_not_ready_any_more_when_it_is_about_to_end(t):
    serve, admin = start(t, drain=30)
    with socket.create_connection(("127.0.0.1", serve.about["port"])) as client:
        client.sendall(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                       b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100"), "it is under way"
        serve.process.signal(signal.SIGTERM)
        wait_until(lambda: admin.status("GET", "/readyz") == 503, "a 503")
        found = admin.ask("GET", "/readyz")[2]["checks"]
        assert "about to end" in found["serving"] and found["database"] == "ok", found
        assert admin.status("GET", "/healthz") == admin.status("GET", "/metrics") == 200
        client.sendall(b"scope=abc")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert serve.process.wait().code == 0


def test_what_was_done_is_counted(t):
    serve, admin = start(t)
    partner = Partner(t, serve)
    partner.export(partner.token())
    assert partner.ask_token(partner.assertion(aud="https://elsewhere.example")).status == 401
    lines = admin.ask("GET", "/metrics")[2].splitlines()
    for line in ('smartbulk_requests_total{route="token",code="200"} 1', 'smartbulk_requests_total{route="token",code="401"} 1',
                 'smartbulk_refusals_total{route="token",reason="aud_wrong"} 1', 'smartbulk_exports{state="done"} 1',
                 'smartbulk_clients{state="active"} 1', "smartbulk_database_up 1", "smartbulk_audit_writable 1"):
        assert line in lines, (line, lines)
    seen = metrics(admin)
    assert seen["smartbulk_tokens_issued_total"] == 1 and seen["smartbulk_database_errors_total"] == 0
    assert seen["smartbulk_replays_total"] == 0
    assertion = partner.assertion()
    assert [partner.ask_token(assertion).status for _ in range(2)] == [200, 401]
    seen = metrics(admin)
    assert seen["smartbulk_replays_total"] == 1 and seen["smartbulk_tokens_issued_total"] == 2
    assert seen["process_resident_memory_bytes"] > 1e6 and seen["process_open_fds"] > 5 and seen["smartbulk_exports_free_bytes"] > 0
    assert not [e for e in serve.events() if e["path"] == "/metrics"], "what machines ask is no news"
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) and all(name.split("_")[0] in ("smartbulk", "process") for name in names), names


def test_clients_rosters_exports_and_events_are_administered(t):
    serve, admin = start(t, auth={"registration": "pending"})
    partner = Partner(t, serve)
    assert [client["id"] for client in admin.ask("GET", "/clients?state=pending")[2]["clients"]] == [partner.client_id]
    assert partner.ask_token(partner.assertion()).status == 401
    _, headers, waits = admin.ask("GET", f"/clients/{partner.client_id}")
    t.run("clients", "set", "--config", serve.config, "--name", "another", partner.client_id)
    wait_until(lambda: admin.ask("GET", f"/clients/{partner.client_id}")[2]["name"] == "another", "the change")
    assert admin.status("POST", f"/clients/{partner.client_id}/approve", If_Match=headers["ETag"]) == 412, "not what was looked at"
    assert waits["version"] == headers["ETag"] != (now := admin.ask("GET", f"/clients/{partner.client_id}")[2]["version"])
    assert admin.status("POST", f"/clients/{partner.client_id}/approve") == 428, "nothing was looked at"
    assert admin.status("POST", f"/clients/{partner.client_id}/approve", If_Match=now) == 204
    assert admin.status("POST", f"/clients/{partner.client_id}/approve") == 204
    shown = admin.ask("GET", f"/clients/{partner.client_id}")[2]
    assert shown["state"] == "active" and shown["groups"] == ["*"] and shown["keys"][0]["alg"] == "ES384", shown
    assert shown["keys"][0]["thumbprint"] == partner.thumbprint() and shown["managesItself"] is True, shown
    token = partner.token()
    partner.export(token)
    exports = admin.ask("GET", "/exports")[2]["exports"]
    assert [(e["client"], e["state"], e["percent"]) for e in exports] == [(partner.client_id, "done", 100)], exports
    assert admin.status("DELETE", f"/exports/{exports[0]['id']}") == 204
    assert partner.ask("GET", partner.job, token).status == 404
    told = next(event for event in events(t) if event["event"] == "export.deleted")
    assert (told["client"], told["job"], told["actor"]) == (partner.client_id, exports[0]["id"], "admin listener"), told
    assert admin.status("POST", f"/clients/{partner.client_id}/suspend") == 204
    assert partner.ask("GET", "/Group", token).status == 401
    assert admin.ask("GET", "/rosters")[2] == {"rosters": [], "optedOut": 0}
    found = admin.ask("GET", f"/audit?client={partner.client_id}&limit=3")[2]
    assert found["events"][0]["event"] == "client.suspended" and found["before"] > 0, found
    assert found["events"][0]["actor"] == "admin listener" and "hashWrong" not in found["events"][0]
    assert admin.status("DELETE", f"/clients/{partner.client_id}") == 204
    assert admin.status("GET", f"/clients/{partner.client_id}") == 404
    told = t.run("audit", "verify", t.dir / "audit.ndjson")
    assert "all as they were written" in told.out


def test_what_makes_no_sense_is_refused(t):
    _, admin = start(t)
    for method, path, status in (("GET", "/", 404), ("GET", "/clients/none", 404), ("POST", "/clients/none/approve", 404),
                                 ("POST", "/clients", 405), ("GET", "/clients/a/approve", 405), ("DELETE", "/exports/none", 404),
                                 ("GET", "/clients?state=odd", 400), ("GET", "/audit?limit=x", 400), ("GET", "/../etc", 400),
                                 ("GET", "/clients/%2e%2e", 400), ("PUT", "/healthz", 405)):
        got, headers, body = admin.ask(method, path)
        assert got == status and "error" in body and headers["Cache-Control"] == "no-store", (method, path, got, body)
    assert admin.ask("HEAD", "/metrics")[0] == 200
    assert admin.ask("PUT", "/healthz")[1]["Allow"] == "GET"


def test_no_web_page_makes_a_browser_administer(t):
    serve, admin = start(t)
    for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "text/plain;charset=utf-8"},
                    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-site"}):
        assert admin.status("POST", "/clients/x/suspend", **headers) == 403, headers
        assert admin.status("GET", "/clients", **headers) == 403, headers
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", None):
        assert admin.status("GET", "/clients", Host=host) in (400, 421), host
    for host in ("localhost", f"localhost:{admin.port}", "[::1]:1", "127.0.0.1"):
        assert admin.status("GET", "/clients", Host=host) == 200, host
    assert {e["reason"] for e in events(t) if e["event"] == "admin.refused"} <= {"cross_site", "host_unknown"}
    refused = [e for e in serve.events() if e.get("reason") == "cross_site"]
    assert len(refused) == 12, "each is in the log, if not in the audit log"


def test_with_a_token_nobody_else_administers(t):
    token = secrets.token_hex(32)
    for name, text in (("admin", token), ("short", "guessable")):
        (t.dir / name).write_text(text + "\n")
        (t.dir / name).chmod(0o600)
    serve, admin = start(t, admin={"listen": "127.0.0.1:0", "token_file": "admin"})
    for path in ("/clients", "/metrics", "/audit", "/exports", "/rosters"):
        status, headers, _ = admin.ask("GET", path)
        assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer"), path
        assert Admin(serve, token[:-1] + "x").status("GET", path) == 401
        assert Admin(serve, token).status("GET", path) == 200
    assert admin.status("GET", "/healthz") == 200 and admin.ask("GET", "/readyz")[2] == {"ready": True}, "no more than yes or no"
    assert any(e["event"] == "admin.refused" and e["reason"].startswith("token_") for e in events(t))
    assert Admin(serve, token).status("GET", "/clients", Host="payer.example") == 200  # a name is of no use without the token
    another = secrets.token_hex(32)
    (t.dir / "admin").write_text(another + "\n")
    serve.reload()
    assert Admin(serve, token).status("GET", "/clients") == 401 and Admin(serve, another).status("GET", "/clients") == 200
    serve.end()
    said = serve.said() + (t.dir / "audit.ndjson").read_text()
    assert token not in said and another not in said
    config = json.loads(serve.config.read_text())
    for change, words in (({"listen": "0.0.0.0:0"}, "loopback address"), ({"listen": "127.0.0.1:0", "token_file": "short"}, "guessed"),
                          ({"token_file": "admin"}, "of no use"), ({"listen": "here"}, "numeric address")):
        serve.config.write_text(json.dumps({**config, "admin": change}))
        result = t.run("serve", "--config", serve.config, "--check-config", code=2)
        assert words in result.err, (change, result.err)


def test_beyond_this_machine_it_has_tls_and_the_certificate_is_watched(t):
    token = secrets.token_hex(32)
    (t.dir / "admin").write_text(token)
    (t.dir / "admin").chmod(0o600)
    for source, name in zip(t.certificates.good, ("cert.pem", "key.pem")):
        shutil.copy(source, t.dir / name)
        (t.dir / name).chmod(0o600)
    serve, _ = start(t, base_url="https://127.0.0.1:0", tls={"certificate": "cert.pem", "key": "key.pem"},
                     admin={"listen": "[::ffff:127.0.0.1]:0", "token_file": "admin"})  # to smartbulk no loopback address; to the kernel one
    admin = Admin(serve, token, ssl.create_default_context(cafile=t.certificates.ca))
    ends = [line.split()[1] for line in admin.ask("GET", "/metrics")[2].splitlines() if line.startswith("smartbulk_certificate_expiry")]
    said = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", t.dir / "cert.pem"], capture_output=True, text=True, check=True)
    named = ssl.cert_time_to_seconds(said.stdout.strip().removeprefix("notAfter="))
    assert ends == [str(int(named))], (ends, named)
    assert Admin(serve, None, admin.context).status("GET", "/clients") == 401
