# SPDX-License-Identifier: Apache-2.0
"""Every byte that a payer's side leaves anywhere is searched for what its partners, its people and its database trust it
with, after they did everything once, and were refused in every way."""
import base64
import http.client
import json
import os
import secrets
import signal
import urllib.parse

from context import wait_until
from leaks import Secrets, Watched
from partner import Partner, b64, jose
from portal_person import Person
from postgres import Postgres
from serve import Serve

MEMBER = "member ids of"  # what a log of ours never is

# Where what may be, below the test's folder. The database has rosters; what is exported, and what it is exported from, members.
ALLOWED = {"keys": {"*"}, "data": {MEMBER}, "in": {MEMBER}, "exports": {MEMBER}, "payer.db": {MEMBER}, "payer.db-wal": {MEMBER}}


class Seen(Watched):
    """A serve that runs, as others on its machine see it."""

    def __init__(self, t, process):
        self.t, self.taken, self.seen, self.popen = t, False, {}, process.popen


class House:
    """A payer that does everything, and all its secrets."""

    def __init__(self, t, **settings):
        self.t, self.secrets, self.answers = t, Secrets(), []
        self.members = [f"mem-{secrets.token_hex(8)}" for _ in range(3)]
        for member in self.members:
            self.secrets.add(MEMBER, member)
        (t.dir / "data").mkdir()
        (t.dir / "in").mkdir()
        self.write("data/Patient.ndjson", [{"resourceType": "Patient", "id": m} for m in self.members])
        self.write("in/groups.ndjson", [{"resourceType": "Group", "id": "north", "type": "person", "actual": True,
                                         "member": [{"entity": {"reference": f"Patient/{m}"}} for m in self.members]}])
        files = {name: str(self.private(name, text)) for name, text in (
            ("registration", f"reg+/~{secrets.token_hex(24)}"), ("guard", f"is+/%{secrets.token_hex(24)}"),
            ("admin", secrets.token_hex(32)))}
        self.guard = (t.dir / "keys/guard").read_text()
        self.serve = Serve(t, **{
            "auth": {"registration": "token", "registration_token_file": files["registration"],
                     "resource_servers": [{"id": "guard", "secret_file": files["guard"]}]},
            "admin": {"listen": "127.0.0.1:0", "token_file": files["admin"]}, "audit": {"file": "audit.ndjson"},
            "portal": {"enabled": True}, "log": {"level": "debug"}, **settings})
        t.run("load", "--config", self.serve.config, "--groups", t.dir / "in/groups.ndjson")

    def write(self, name, resources):
        (self.t.dir / name).write_text("".join(json.dumps(one) + "\n" for one in resources))

    def private(self, name, text):
        path = self.t.dir / "keys" / name
        path.write_text(text)
        path.chmod(0o600)
        self.secrets.add(f"the secret in keys/{name}", text)
        return path

    def partner(self, groups=("north",)):
        initial = (self.t.dir / "keys/registration").read_text()
        partner = Partner(self.t, self.serve, registration={"Authorization": f"Bearer {initial}"}, groups=groups)
        self.secrets.add_jwk(partner.key_file)
        self.secrets.add("registration access token", partner.registration["registration_access_token"])
        return partner

    def asked_token(self, partner, assertion, **how):
        """Twice: the second is a replay."""
        self.secrets.add_assertion(assertion)
        answer = None
        for _ in range(2):
            answer = partner.ask_token(assertion, **how)
            if answer.status == 200:
                self.secrets.add("token", answer.json()["access_token"])
            else:
                self.answers.append(("a refused token", answer))
        return answer

    def refuse(self, what, answer):
        assert 400 <= answer.status < 500, f"{what}: {answer.status} {answer.body}"
        self.answers.append((what, answer))

    def search(self, *processes):
        self.serve.end()
        found = []
        for path in self.t.dir.rglob("*"):
            name = path.relative_to(self.t.dir)
            found += [f"{kind} in a name: {name}" for kind in self.secrets.find(str(name).encode())]
            if path.is_file() and not path.is_symlink():
                allowed = ALLOWED.get(name.parts[0], set())
                found += [f"{kind} in {name}" for kind in self.secrets.find(path.read_bytes()) if not {kind, "*"} & allowed]
        assert any('"event":"request"' in text for text in self.t.log), "what serve said was not kept"
        for text in self.t.log:
            for line in text.splitlines():
                found += [f"{kind} in a line that was said: {line[:200]}" for kind in self.secrets.find(line.encode())]
        for where, answer in self.answers:
            found += [f"{kind} in the answer to {where}" for kind in self.secrets.find(str(answer.headers).encode() + answer.body)]
        for process in processes:
            found += [f"{kind} in {where}" for where, content in process.seen for kind in self.secrets.find(content)]
        assert not found, "\n".join(sorted(set(found)))
        assert not list(self.t.dir.rglob("core*")), "a core file was left"


def other_key(house, partner):
    """An assertion that is right but for its key."""
    mine, other = partner.key_file, house.t.dir / "keys/other.jwk"
    jose("jwk", "gen", "-i", '{"alg":"ES384"}', "-o", other)
    house.secrets.add_jwk(other)
    partner.key_file = other
    assertion = partner.assertion()
    partner.key_file = mine
    return assertion


def refused_tokens(house, partner):
    good = partner.assertion()
    head, payload, signature = good.split(".")
    for wrong in ({"aud": "https://elsewhere.example/token"}, {"aud": None}, {"exp": 1}, {"exp": None}, {"exp": "soon"},
                  {"nbf": 4e9}, {"jti": None}, {"jti": "x" * 300}, {"iss": "nobody", "sub": "nobody"}, {"sub": "somebody"}):
        house.asked_token(partner, partner.assertion(**wrong))
    for header in ({"kid": "nobody"}, {"kid": None}, {"crit": ["exp"]}, {"typ": "at+jwt"}, {"jku": "https://evil.example/jwks"}):
        house.asked_token(partner, partner.assertion(header=header))
    for text in (other_key(house, partner), f"{head}.{payload}.", f'{b64({"alg": "none"})}.{payload}.', f"{head}.{payload}",
                 f"{good}.x", f"{head}.{b64(partner.claims(sub='admin'))}.{signature}", good + "A" * 70000):
        house.asked_token(partner, text)
    for change in ({"grant_type": "password"}, {"client_assertion_type": "jwt"}, {"scope": "patient/Patient.rs"}, {"scope": None},
                   {"client_id": "somebody"}):
        house.asked_token(partner, partner.assertion(), **change)
    house.asked_token(partner, partner.assertion(), extra=[("client_secret", house.guard)])
    house.refuse("credentials in a query", partner.send("POST", partner.token_url + "?client_assertion=" + partner.assertion(), b""))
    house.refuse("no form", partner.send("POST", partner.token_url, json.dumps({"client_assertion": good}).encode(),
                                         {"Content-Type": "application/json"}))


def refused_registrations(house, partner):
    url, own = house.serve.register_url, partner.registration["registration_client_uri"]
    token = partner.registration["registration_access_token"]
    private = json.loads(partner.key_file.read_text())
    wanted = {"client_name": "x", "jwks": {"keys": [private]}, "grant_types": ["client_credentials"], "scope": "system/Patient.rs",
              "token_endpoint_auth_method": "private_key_jwt"}
    initial = {"Authorization": "Bearer " + (house.t.dir / "keys/registration").read_text()}
    for what, method, target, body, headers in (
            ("a private key", "POST", url, wanted, initial), ("no initial token", "POST", url, wanted, {}),
            ("the wrong initial token", "POST", url, wanted, {"Authorization": f"Bearer {token}"}),
            ("an initial token in a query", "POST", f"{url}?access_token={token}", wanted, {}),
            ("another's registration", "GET", own + "x", None, {"Authorization": f"Bearer {token}"}),
            ("a change to a private key", "PUT", own, {**wanted, "client_id": partner.client_id}, {"Authorization": f"Bearer {token}"}),
            ("a registration without its token", "GET", own, None, initial)):
        house.refuse(what, partner.send(method, target, body and json.dumps(body).encode(), {"Content-Type": "application/json", **headers}))
    assert partner.change_registration(client_name="renamed").status == 200


def refused_requests(house, partner, token):
    member = house.members[0]
    for what, path, headers in (
            ("a token in a query", f"/Patient/$export?access_token={token}", {}), ("no token", "/Patient/$export", {}),
            ("a member's own page", f"/Patient/{member}", {}), ("a group of others", "/Group/south/$export", {}),
            ("an unknown parameter", f"/Patient/$export?patient=Patient/{member}&_typeFilter=Patient%3Fpatient%3D{member}", {}),
            ("a broken filter", f"/Patient/$export?_typeFilter=Coverage%3Fnone%3D{member}&_type=Coverage", {}),
            ("a type without scope", f"/Patient/$export?_type=Claim&patient={member}", {}),
            ("a search", f"/Group?identifier={member}%7C", {}), ("no job", f"/jobs/{token}", {}), ("half a token", f"/jobs/{token[:32]}", {}), ("no file", f"/jobs/{32 * '0'}/{token}", {}), ("no route", f"/{token}/{member}", {})):
        for bearer in (None, token, token + "x"):
            answer = partner.ask("GET", path, bearer, Prefer="respond-async", **headers)
            house.answers.append((what, answer)) if answer.status >= 400 else None
    body = json.dumps({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": f"Patient/{m}"}} for m in house.members] + [{"name": "none", "valueString": token}]})
    house.refuse("parameters", partner.send("POST", house.serve.url + "/Patient/$export", body.encode(), {
        "Content-Type": "application/fhir+json", "Prefer": "respond-async", "Authorization": f"Bearer {token}"}))
    for path in (f"/fhir/Patient/{member}", f"/fhir/Patient?_id={member}", f"/fhir/Coverage/{member}/$everything"):
        for bearer in (token, None):
            partner.ask("GET", house.serve.base_url + "/authorize-request" + path, bearer)
            partner.ask("GET", house.serve.base_url + "/authorize", bearer, X_Original_URI=path, X_Original_Method="GET")


def ask_about(house, partner, token):
    """Introspection, revocation, administration; by who may and who may not."""
    basics = [base64.b64encode(f"guard:{urllib.parse.quote(text, safe='')}".encode()).decode() for text in (house.guard, house.guard + "x", token)]
    for basic in basics:
        house.secrets.add("credentials", basic)
        partner.send("POST", house.serve.base_url + "/introspect", f"token={token}".encode(), {**partner.FORM, "Authorization": f"Basic {basic}"})
    partner.send("POST", house.serve.base_url + f"/introspect?token={token}", b"", {**partner.FORM, "Authorization": f"Bearer {token}"})
    admin = (house.t.dir / "keys/admin").read_text()
    for bearer in (admin, admin + "x", token, None):
        for path in ("/readyz", "/healthz", "/metrics", "/clients", "/audit", "/exports", "/rosters", f"/clients/{token}", f"/none?{token}"):
            connection = http.client.HTTPConnection("127.0.0.1", house.serve.about["adminPort"], timeout=60)
            connection.request("GET", path, headers={"Authorization": f"Bearer {bearer}"} if bearer else {})
            answer = connection.getresponse()
            answer.body = answer.read()
            connection.close()
            house.answers.append((f"the admin listener's {path.replace(token, 'TOKEN')}", answer))


def look_at_pages(house, partner, assertion):
    for who, options in (("ops@payer.example", ["--administrator"]), ("jane@aco.example", ["--client", partner.client_id])):
        person = Person(house.t, house.serve, who, *options)
        house.t.log[:] = [text for text in house.t.log if person.link not in text]  # it was asked for
        pages = ["", "/offer", "/clients", f"/client?id={partner.client_id}", "/debugger", "/admin", f"/admin/client?id={partner.client_id}",
                 "/admin/rosters", "/admin/exports", "/admin/audit", f"/sign-in?link={person.link}", f"/client?id={person.link}"]
        statuses = [person.open("/portal" + page) for page in pages]
        is_admin = options[0] == "--administrator"
        assert statuses[:6] == [200, 200, 200, 404 if is_admin else 200, 200, 200 if is_admin else 403], statuses
        person.open("/portal/clients/new")
        person.post("/portal/clients/new", client_name="x", keys=partner.key_file.read_text())
        person.post("/portal/admin/client/approve", id=partner.client_id)
        person.bodies = [body for body in person.bodies if b"Set-Cookie" not in body and b'name="link"' not in body]
        house.secrets.add("a portal's link", person.link)
        house.secrets.add("a portal's session", person.session)
        for body in person.bodies:
            kinds = house.secrets.find(body)
            assert not kinds, f"{kinds} on a page of {who}: {body[:3000].decode()}"
        person.open("/portal/debugger")
        person.post("/portal/debugger", assertion=assertion)
        person.post("/portal/debugger", assertion=partner.key_file.read_text())
        person.open("/portal")
        person.post("/portal/sign-out")


def everything(house):
    partner = house.partner()
    assertion = partner.assertion()
    house.asked_token(partner, assertion)
    token, strange = partner.token(), house.partner(groups=()).token()
    for one in (token, strange):
        house.secrets.add("token", one)
    seen = Seen(house.t, house.serve.process)
    manifest = partner.export(token)
    for item in manifest["output"]:
        assert partner.ask("GET", item["url"], token).status == 200
        house.refuse("another's file", partner.ask("GET", item["url"], strange))
    refused_requests(house, partner, token)
    ask_about(house, partner, token)
    refused_registrations(house, partner)
    refused_tokens(house, partner)
    look_at_pages(house, partner, assertion)
    for command in (["list", "--json"], ["show", partner.client_id], ["suspend", partner.client_id]):
        house.t.start("clients", command[0], "--config", house.serve.config, *command[1:]).wait()
    partner.send("POST", house.serve.base_url + "/revoke", partner.token_form(partner.assertion(), token=token), partner.FORM)
    seen.look()
    return seen


def test_a_payers_side_writes_no_secret_of_its_partners_and_no_members_id(t):
    house = House(t)
    seen = everything(house)
    reasons = {json.loads(line).get("reason") for line in (t.dir / "audit.ndjson").read_text().splitlines()}
    assert len(reasons) > 20, sorted(map(str, reasons))
    house.search(seen)


# The database's password

class Guarded(House):
    """One whose PostgreSQL asks for a password, which is in a file of its own."""

    def __init__(self, t):
        self.password = f'p&w "{secrets.token_urlsafe(12)}" +/%@:?é'
        self.database = Postgres(t, self.password)
        try:
            file = t.dir / "keys/database"
            file.write_text(self.database.url + "\n")
            file.chmod(0o600)
            super().__init__(t, database=None, database_file=str(file))
        except BaseException:
            self.database.end()
            raise
        self.secrets.add("the database's password", self.password)

    def commands(self):
        """Each that goes to the database."""
        config = ["--config", self.serve.config]
        return [["clients", "list", "--json", *config], ["link", *config, "--administrator", "ops@payer.example"],
                ["load", *config, "--groups", self.t.dir / "in/groups.ndjson"], ["audit", "verify", self.t.dir / "audit.ndjson"],
                ["serve", *config, "--check-config"]]

    def end(self):
        for serve in self.t.serves:
            serve.end()
        self.database.end()


def is_connecting(pid):
    """It has opened a socket: so it has read where to, and by which password."""
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def with_guarded(t, test):
    house = Guarded(t)
    try:
        test(house)
        house.search()
    finally:
        house.end()


def test_the_databases_password_is_nowhere_but_in_its_file(t):
    def promise(house):
        seen = everything(house)
        for command in house.commands():
            t.run(*command)
        house.database.hang()  # so that they are looked at while they connect
        runs = [Watched(t, *command) for command in house.commands()[:3]]
        for run in runs:
            wait_until(lambda: is_connecting(run.popen.pid), "a connection")
            run.look()
        house.database.go_on()
        for run in runs:
            run.expect(0)
        house.search(seen, *runs)
    with_guarded(t, promise)


def test_the_databases_password_is_in_no_error(t):
    def promise(house):
        partner = house.partner()
        file, right = t.dir / "keys/database", house.database.url
        wrong = house.password + "x"
        house.secrets.add("the wrong password", wrong)
        broken = [house.database.url_with(wrong), right.replace("@/postgres", "@127.0.0.1:1/postgres").partition("?")[0],
                  right.replace("/postgres?", "/nothing?"), right.replace("@/", "@localhost:port/"), right.replace("%", "%zz"),
                  right + "&sslmode=none", right + "&nothing=1", right.replace("postgresql", "postgres ql")]
        for url in broken:
            file.write_text(url + "\n")
            for command in [*house.commands()[:3], ["serve", "--config", house.serve.config, "--json"]]:
                assert t.start(*command).wait().code in (1, 2, 5), (command, url)
        file.write_text(right + "\nmore\n")  # no one line
        for command in [*house.commands()[:3], house.commands()[-1]]:
            t.run(*command, code=2)
        file.write_text(right.replace("://", " ") + "\n")
        assert "does not hold a URI" in t.run(*house.commands()[-1], code=2).err
        file.write_text(right + "\n")
        for url in (right, right.replace("sb:", "sb:x"), f"host={house.database.dir} user=sb password='{wrong}'"):
            result = t.run("clients", "list", "--database", url, code=2)
            assert "command line" in result.err, result
            assert "command line" in t.run("load", "--database", url, t.dir / "in", code=2).err
        house.database.stop()
        for command in house.commands()[:3]:
            t.run(*command, code=5)
        assert partner.ask_token(partner.assertion()).status == 503
        house.database.start()
    with_guarded(t, promise)


def test_a_crash_of_serve_leaves_no_core_and_no_secret(t):
    def promise(house):
        seen = everything(house)
        for number in (signal.SIGSEGV, signal.SIGABRT):
            house.serve.process.signal(number)
            result = house.serve.process.wait()
            assert result.code == -number or "Sanitizer" in result.err, result
            house.serve.start()
        house.search(seen)
    with_guarded(t, promise)
