# SPDX-License-Identifier: Apache-2.0
"""The administrators' pages of the portal, in a real browser without scripts: who waits is looked at and decided about, rosters,
exports, audit log. Pictures of the pages are in each test's folder (run.py --keep)."""
import json
import sqlite3

import browser
import data
from partner import Partner
from serve import Serve

HOSTILE = "<script>document.title='hit'</script> \"&' Co"
PAGES = ("", "/rosters", "/exports", "/audit")


class Desk:
    """A payer with clients in every state and rosters, and a browser in which an administrator is signed in."""

    def __init__(self, t, scripts=False, **settings):
        if not browser.find():
            t.skip("there is no chromium")
        self.t = t
        data.write_folder(t.dir / "data", data.files())
        self.serve = Serve(t, portal={"enabled": True}, audit={"file": "audit.ndjson"}, auth={"registration": "pending"},
                           **settings)
        self.rosters({"roster-7": ("North clinic", ["p0", "p1", "p2"]), "roster-8": ("South clinic", ["p2"])})
        self.browser = browser.Browser(t.dir / "home" / "chromium", scripts=scripts)

    def rosters(self, rosters):
        with sqlite3.connect(self.t.dir / "payer.db") as database:
            for name, (title, members) in rosters.items():
                database.execute("INSERT INTO rosters VALUES (?, ?, ?, 1767225600)",
                                 (name, title, f'{{"resourceType":"Group","id":"{name}","type":"person","actual":true}}'))
                database.executemany("INSERT INTO roster_members VALUES (?, ?, 0, 253402300799)", [(name, m) for m in members])
            database.execute("INSERT INTO opt_outs VALUES ('p1', 1767225600)")
        database.close()

    def partner(self, approved=False, groups=("roster-7",)):
        partner = Partner(self.t, self.serve, groups=groups)
        if approved:
            self.t.run("clients", "approve", "--config", self.serve.config, partner.client_id)
        return partner

    def sign_in(self, who="ops@payer.example", *options):
        link = self.t.run("link", "--config", self.serve.config, *(options or ("--administrator",)), who).out.strip()
        self.browser.open(self.serve.base_url + "/portal/" + link.partition("/portal/")[2])  # the port was drawn
        self.browser.button("Sign in")

    def open(self, path, status=200):
        self.browser.open(self.serve.base_url + "/portal/admin" + path)
        assert self.browser.status == status, f"{path}: {self.browser.status}\n{self.browser.text()}"
        return self.browser.text()

    def see(self, *texts):
        text = self.browser.text()
        for one in texts:
            assert one in text, f"there is no '{one}' in\n{text}"

    def choose(self, roster):
        selector = f"[name=roster][type=checkbox][value='{roster}']"
        self.browser.run(f"document.querySelector({json.dumps(selector)}).checked = true")

    def audit(self):
        return [json.loads(line) for line in (self.t.dir / "audit.ndjson").read_text().splitlines()]

    def end(self):
        self.browser.end()
        assert not self.browser.complaints, self.browser.complaints


def desk(test):
    """The browser ends with the test."""
    def run(t):
        d = Desk(t)
        try:
            test(d)
        finally:
            d.end()
    run.__name__ = test.__name__
    return run


@desk
def test_an_administrator_sees_who_waits_by_which_keys_and_for_what(d):
    waits = d.partner(groups=())
    active = d.partner(approved=True)
    active.export(active.token(), "/Group/roster-7/$export")
    d.sign_in()
    d.open("")
    d.see("Waiting for you", waits.client_id, "system/Patient.rs", "roster-7")
    d.browser.picture(d.t.dir / "clients.png")
    d.browser.button("Decide")
    d.see(waits.client_id, "What it asks for", "None: it can export nothing yet", "client.registered")
    d.browser.picture(d.t.dir / "client.png")
    for name in PAGES:
        d.open(name)
        d.browser.picture(d.t.dir / f"admin{name.replace('/', '-')}.png")
    d.browser.look(390, 844, dark=True)
    for name in PAGES + (f"/client?id={active.client_id}",):
        d.open(name)
        assert not d.browser.is_wider_than_screen(), name
        d.browser.picture(d.t.dir / f"phone{name.partition('?')[0].replace('/', '-')}.png")


@desk
def test_who_is_approved_gets_in_with_the_rosters_that_were_chosen_and_no_others(d):
    partner = d.partner(groups=())
    assert partner.ask_token(partner.assertion()).status == 401
    d.sign_in()
    d.open("")
    d.browser.button("Decide")
    d.choose("roster-7")
    d.browser.picture(d.t.dir / "decide.png")
    d.browser.button("Approve")
    d.see("active", "roster-7", "client.approved")
    d.browser.picture(d.t.dir / "approved.png")
    token = partner.token()
    lines = partner.export(token, "/Group/roster-7/$export")
    assert sum(item["count"] for item in lines["output"] if item["type"] == "Patient") == 2, lines  # one said no
    assert partner.ask("GET", "/Group/roster-8/$export", token, Prefer="respond-async").status == 404
    by = [(e["event"], e["actor"], e["client"], e.get("detail")) for e in d.audit()
          if e.get("actor") and e["event"] != "portal.signed_in"]
    assert by == [("client.approved", "ops@payer.example", partner.client_id, None),
                  ("client.changed", "ops@payer.example", partner.client_id, "gives roster-7")], by
