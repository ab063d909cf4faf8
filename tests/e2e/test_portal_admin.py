# SPDX-License-Identifier: Apache-2.0
"""The administrators' pages of the portal in a real browser, without scripts: who waits is looked at and decided about, rosters,
exports, audit log. Pictures of the pages are in each test's folder (run.py --keep)."""
import json

import browser
import data
from partner import Partner
from postgres import Postgres
from serve import Serve

HOSTILE = "</td><script>document.title='hit'</script><img src=x onerror=\"document.title='hit'\"> & Sons"
PAGES = ("", "/rosters", "/exports", "/audit")
OPS = "ops@payer.example"


def group(name, title, members):
    return json.dumps({"resourceType": "Group", "id": name, "name": title, "type": "person", "actual": True,
                       "member": [{"entity": {"reference": f"Patient/{m}"}} for m in members]})


class Desk:
    """A payer with two rosters, whose registrations wait for a person; and a browser."""

    def __init__(self, t, scripts=False, **settings):
        if not browser.find():
            t.skip("there is no chromium")
        self.t = t
        data.write_folder(t.dir / "data", data.files())
        self.serve = Serve(t, **{"portal": {"enabled": True}, "audit": {"file": "audit.ndjson"},
                                 "auth": {"registration": "pending"}, **settings})
        (t.dir / "groups.ndjson").write_text(group("roster-7", "North clinic", ["p0", "p1", "p2"]) + "\n" +
                                             group("roster-8", "South clinic", ["p2"]) + "\n")
        (t.dir / "no.txt").write_text("p1\n")
        t.run("load", "--config", self.serve.config, "--groups", t.dir / "groups.ndjson", "--opt-outs", t.dir / "no.txt")
        self.browser = browser.Browser(t.dir / "home" / "chromium", scripts=scripts)

    def partner(self, approved=False, groups=("roster-7",), **settings):
        partner = Partner(self.t, self.serve, groups=groups if approved else (), **settings)
        if approved:
            self.t.run("clients", "approve", "--config", self.serve.config, "--thumbprint", partner.thumbprint(), partner.client_id)
        return partner

    def sign_in(self, who=OPS, *options):
        link = self.t.run("link", "--config", self.serve.config, *(options or ("--administrator",)), who).out.strip()
        self.browser.open(self.serve.base_url + "/portal/" + link.partition("/portal/")[2])  # the port was drawn
        self.browser.button("Sign in")

    def open(self, path, status=200):
        self.browser.open(self.serve.base_url + "/portal/admin" + path)
        assert self.browser.status == status, f"{path}: {self.browser.status}\n{self.browser.text()}"
        return self.browser.text()

    def client(self, partner):
        self.open(f"/client?id={partner.client_id}")

    def see(self, *texts):
        text = self.browser.text()
        for one in texts:
            assert one in text, f"there is no '{one}' in\n{text}"

    def tick(self, name, value):
        selector = f"[name={name}][type=checkbox][value='{value}']"
        self.browser.run(f"document.querySelector({json.dumps(selector)}).checked = true")

    def unfold(self):
        self.browser.run("document.querySelector('details').open = true")

    def picture(self, name):
        self.browser.picture(self.t.dir / f"{name}.png")

    def audit(self):
        return [json.loads(line) for line in (self.t.dir / "audit.ndjson").read_text().splitlines()]

    def deeds(self):
        """What administrators did."""
        return [(e["event"], e["actor"], e.get("client"), e.get("detail")) for e in self.audit()
                if e.get("actor") and e["outcome"] == "ok" and e["event"] != "portal.signed_in"]


def with_desk(t, test, **settings):
    """The browser ends with the test."""
    desk = Desk(t, **settings)
    try:
        test(desk)
    finally:
        desk.browser.end()
    expected = [c for c in desk.browser.complaints if "status of 4" in c or "status of 503" in c]  # as asked for
    assert desk.browser.complaints == expected, desk.browser.complaints


def patients_in(partner, token, path):
    return sum(item["count"] for item in partner.export(token, path)["output"] if item["type"] == "Patient")


def approve(d):
    partner = d.partner()
    assert partner.ask_token(partner.assertion()).status == 401
    d.sign_in()
    d.open("")
    d.see("Waiting for you", partner.client_id, "EC P-384, ES384", "system/Coverage.rs")
    d.browser.button("Decide")
    d.see("What it asks for", "None: it can export nothing yet", "client_pending")
    d.tick("roster", "roster-7")
    d.picture("decide")
    d.browser.button("Approve")
    d.see("active", "roster-7", "client.approved")
    token = partner.token()
    assert patients_in(partner, token, "/Group/roster-7/$export") == 2  # one of three said no
    assert partner.ask("GET", "/Group/roster-8/$export", token, Prefer="respond-async").status == 404
    assert d.deeds() == [("client.changed", OPS, partner.client_id, "gives roster-7"),
                         ("client.approved", OPS, partner.client_id, None)], d.deeds()
    d.browser.button("Take away")
    assert partner.ask("GET", "/Group/roster-7/$export", token, Prefer="respond-async").status in (403, 404)


def test_who_is_approved_gets_the_rosters_that_were_chosen_and_no_others(t):
    with_desk(t, approve)


def test_on_postgresql_too_and_without_it_nothing_is_shown_and_nothing_done(t):
    def test(d):
        approve(d)
        database.stop()
        try:
            for path in PAGES:
                d.browser.open(d.serve.base_url + "/portal/admin" + path)
                assert d.browser.status == 503, d.browser.text()
                d.see("This cannot be had just now")
                assert str(database.dir) not in d.browser.text()
        finally:
            database.start()
    database = Postgres(t)
    try:
        with_desk(t, test, database=database.url)
    finally:
        for serve in t.serves:
            serve.end()
        database.end()


def test_who_is_suspended_is_out_at_once_and_who_is_removed_stays_out(t):
    def test(d):
        partner = d.partner(approved=True)
        token = partner.token()
        d.sign_in()
        d.client(partner)
        d.browser.button("Suspend")
        d.see("suspended", "Decide")
        d.picture("suspended")
        assert partner.ask("GET", "/Group", token).status == 401
        assert partner.ask_token(partner.assertion()).status == 401
        d.browser.button("Let it in again")
        assert partner.ask_token(partner.assertion()).status == 200
        d.browser.button("Remove …")
        d.see("Remove this client?", partner.client_id, "suspend it")
        d.picture("remove")
        assert partner.ask_token(partner.assertion()).status == 200  # it was asked, not done
        d.browser.button("Remove it")
        d.see("There is none that fits.")
        assert partner.ask_token(partner.assertion()).status == 401
        assert [deed[0] for deed in d.deeds()] == ["client.suspended", "client.approved", "client.removed"]
    with_desk(t, test)


def test_who_is_under_onboarding_is_told_why_and_a_wrong_scope_is_not_taken(t):
    def test(d):
        partner = d.partner(approved=True)
        d.sign_in()
        d.client(partner)
        d.unfold()
        d.picture("change")
        d.tick("reasons", "1")
        d.browser.fill("[name=scope]", "system/Patient.rs")
        d.browser.button("Change")
        d.see("yes, it is under onboarding")
        assert partner.ask_token(partner.assertion()).json()["scope"] == "system/Patient.rs"
        answer = partner.ask_token(partner.assertion(aud="https://elsewhere.example"))
        assert "aud_wrong" in answer.json()["error_description"], answer.body
        d.unfold()
        d.browser.fill("[name=scope]", "patient/*.rs")
        d.browser.button("Change")
        assert d.browser.status == 409
        d.picture("mistake")
    with_desk(t, test)


def test_an_export_is_cancelled_whosever_it_is(t):
    def test(d):
        partner = d.partner(approved=True)
        token = partner.token()
        partner.export(token, "/Group/roster-7/$export")
        d.sign_in()
        d.open("/exports")
        d.see("roster-7", "done", "partner")
        d.picture("exports")
        d.browser.button("Delete …")
        d.picture("delete")
        d.browser.button("Delete it")
        d.see("There is none that fits.")
        assert partner.ask("GET", partner.job, token).status == 404
        assert d.deeds() == [("export.deleted", OPS, partner.client_id, None)], d.deeds()
    with_desk(t, test)


def test_what_a_client_says_of_itself_runs_nothing_in_a_browser_with_scripts(t):
    def test(d):
        partner = d.partner(approved=True)
        d.t.run("clients", "set", "--config", d.serve.config, "--name", HOSTILE, partner.client_id)
        d.sign_in()
        for path in PAGES + (f"/client?id={partner.client_id}", f"/client/remove?id={partner.client_id}"):
            d.open(path)
            assert d.browser.run("document.title") != "hit"
            assert d.browser.run("document.querySelectorAll('script, main img').length") == 0
        d.see(HOSTILE)
    with_desk(t, test, scripts=True)


def test_a_partner_sees_none_of_it(t):
    def test(d):
        partner = d.partner(approved=True)
        d.sign_in("jane@aco.example", "--client", partner.client_id)
        for path in PAGES + (f"/client?id={partner.client_id}",):
            d.open(path, status=403)
        d.picture("not-an-administrator")
        d.browser.open(d.serve.base_url + "/portal")
        assert "Audit log" not in d.browser.text()
    with_desk(t, test)


def test_whom_a_trusted_proxy_names_administers_if_the_configuration_names_them_too(t):
    def test(d):
        d.browser.call("Network.setExtraHTTPHeaders", headers={"X-User": "mary"})
        assert "Waiting" not in d.open("")
        d.see("mary", "administrator")
        d.browser.call("Network.setExtraHTTPHeaders", headers={"X-User": "jane"})
        d.open("", status=403)
    with_desk(t, test, trusted_proxies=["127.0.0.1"],
              portal={"enabled": True, "user_header": "X-User", "administrators": ["mary"]})


def test_every_page_is_whole_on_a_desktop_and_on_a_phone_in_light_and_dark(t):
    def test(d):
        waits, active = d.partner(), d.partner(approved=True, groups=("roster-7", "*"))
        active.export(active.token(), "/Group/roster-7/$export")
        active.ask_token(active.assertion(aud="https://elsewhere.example"))
        d.sign_in()
        for width, height, dark in ((1280, 900, False), (390, 844, True)):
            d.browser.look(width, height, dark)
            for path in PAGES + (f"/client?id={waits.client_id}", f"/client?id={active.client_id}"):
                d.open(path)
                assert not d.browser.is_wider_than_screen(), f"{path} at {width}"
                name = path.replace("/", "-").replace(waits.client_id, "waits").replace(active.client_id, "active")
                d.picture(f"{width}{name.replace('?id=', '-')}")
    with_desk(t, test)


def test_in_the_sandbox_every_client_has_every_group_and_no_roster_is_given(t):
    if not browser.find():
        t.skip("there is no chromium")
    sandbox = t.sandbox("--patients", "3", tls=False)
    sandbox.ca = None
    partner = Partner(t, sandbox)
    b = browser.Browser(t.dir / "home" / "chromium", scripts=False)
    try:
        b.open(sandbox.about["portalLink"])
        b.button("Sign in")
        for path in PAGES + (f"/client?id={partner.client_id}",):
            b.open(sandbox.url.removesuffix("/fhir") + "/portal/admin" + path)
            assert b.status == 200, (path, b.text())
        assert "every client may use every group" in b.text() and "Give these rosters" not in b.text(), b.text()
        b.picture(t.dir / "sandbox.png")
        b.button("Suspend")
        assert partner.ask_token(partner.assertion()).status == 401
    finally:
        b.end()
    assert not b.complaints, b.complaints
