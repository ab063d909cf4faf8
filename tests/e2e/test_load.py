# SPDX-License-Identifier: Apache-2.0
"""`smartbulk load` beside a serve that runs: what is loaded is served, to whom it was given, less who said no."""
import json

from partner import Partner
from postgres import Postgres
from serve import Serve

SCOPE = "system/Patient.rs system/Coverage.rs system/Group.rs"


def patient(i):
    return {"resourceType": "Patient", "id": f"p{i}"}


def coverage(i):
    return {"resourceType": "Coverage", "id": f"c{i}", "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}, "status": "active",
            "beneficiary": {"reference": f"Patient/p{i}"}}


def group(name, members):
    return {"resourceType": "Group", "id": name, "type": "person", "actual": True, "name": f"Roster {name}",
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": f"npi-{name}"}],
            "member": [{"entity": {"reference": f"Patient/p{i}"}} for i in members]}


def write(path, resources):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in resources))
    return path


class House:
    """A serve whose data is in its database, and a partner who has the roster `north`."""

    def __init__(self, t, database):
        self.t = t
        self.serve = Serve(t, database=database, data=None, audit={"file": "audit.ndjson"}, auth={"registration": "open"})
        write(t.dir / "in/patients.ndjson", map(patient, range(6)))
        write(t.dir / "in/coverages.ndjson", map(coverage, range(6)))
        self.rosters = write(t.dir / "rosters.ndjson", [group("north", (0, 1, 2)), group("south", (3, 4))])
        assert self.load("--groups", self.rosters, "--json", t.dir / "in") == {
            "added": 12, "replaced": 0, "deleted": 0, "rosters": 2, "members": 5, "rostersRemoved": 0, "optedOut": 0, "optedIn": 0}
        self.partner = Partner(t, self.serve, scope=SCOPE, groups=("north",))
        self.token = self.partner.ask_token(self.partner.assertion(), scope=SCOPE).json()["access_token"]

    def load(self, *args, code=0):
        result = self.t.run("load", "--config", self.serve.config, *args, code=code)
        return json.loads(result.out) if "--json" in args else result

    def exported(self, path, **headers):
        """The ids of what an export of it gives."""
        manifest = self.partner.export(self.token, path, **headers)
        self.deleted = manifest.get("deleted", [])
        return sorted(json.loads(line)["id"] for item in manifest["output"]
                      for line in self.partner.ask("GET", item["url"], self.token).body.decode().splitlines())

    def kickoff(self, path, partner=None, token=None):
        return (partner or self.partner).ask("GET", path, token or self.token, Prefer="respond-async")


def on_both(t, promise):
    promise(House(t, "payer.db"))
    for serve in t.serves:
        serve.end()
    for name in ("payer.db", "payer.db-wal", "payer.db-shm", "audit.ndjson", "audit.ndjson.commands"):
        (t.dir / name).unlink(missing_ok=True)
    database = Postgres(t)
    try:
        promise(House(t, database.url))
        for serve in t.serves:
            serve.end()
    finally:
        database.end()


def test_a_client_gets_the_members_of_its_rosters_and_nobody_else(t):
    def promise(house):
        assert house.exported("/Group/north/$export") == ["c0", "c1", "c2", "p0", "p1", "p2"]
        assert house.exported("/Patient/$export") == ["c0", "c1", "c2", "p0", "p1", "p2"]
        assert house.exported("/$export") == ["c0", "c1", "c2", "p0", "p1", "p2"]
        refused, unknown = house.kickoff("/Group/south/$export"), house.kickoff("/Group/none/$export")
        assert refused.status == unknown.status == 404 and refused.body == unknown.body
        found = house.partner.ask("GET", "/Group", house.token).json()
        assert [entry["resource"]["id"] for entry in found["entry"]] == ["north"] and found["total"] == 1
        named = house.partner.ask("GET", "/Group?identifier=http%3A%2F%2Fhl7.org%2Ffhir%2Fsid%2Fus-npi%7Cnpi-south", house.token).json()
        assert named["total"] == 0
        shown = house.partner.ask("GET", "/Group/north", house.token).json()
        assert shown["quantity"] == 3 and len(shown["member"]) == 3 and shown["name"] == "Roster north"
        assert house.partner.ask("GET", "/Group/south", house.token).status == 404
    on_both(t, promise)


def test_a_client_without_a_roster_exports_nothing_and_is_told_why(t):
    house = House(t, "payer.db")
    newcomer = Partner(t, house.serve, scope=SCOPE, groups=())
    token = newcomer.ask_token(newcomer.assertion(), scope=SCOPE).json()["access_token"]
    for path in ("/$export", "/Patient/$export"):
        answer = house.kickoff(path, newcomer, token)
        assert answer.status == 403 and "no group of members is its" in answer.json()["issue"][0]["diagnostics"], answer.body
        assert "WWW-Authenticate" not in answer.headers  # another token would not help
    assert house.kickoff("/Group/north/$export", newcomer, token).status == 404
    reasons = [json.loads(line).get("reason") for line in (t.dir / "audit.ndjson").read_text().splitlines()]
    assert reasons.count("roster_missing") == 2 and reasons.count("group_unknown") == 1, reasons


def test_who_said_no_is_left_out_from_the_next_export_on(t):
    def promise(house):
        no = house.t.dir / "no.txt"
        no.write_text("Patient/p1\n")
        house.load("--opt-outs", no)
        assert house.exported("/Group/north/$export") == ["c0", "c2", "p0", "p2"]
        house.t.run("clients", "set", "--config", house.serve.config, "--group", "*", house.partner.client_id)
        assert "p1" not in house.exported("/Patient/$export")
        assert house.partner.ask("GET", "/Group/north", house.token).json()["quantity"] == 2
        house.load("--opt-ins", no)
        assert house.exported("/Group/north/$export") == ["c0", "c1", "c2", "p0", "p1", "p2"]
    on_both(t, promise)


def test_a_roster_that_changes_is_what_it_is_at_the_next_export(t):
    def promise(house):
        write(house.rosters, [group("north", (2, 5))])
        house.load("--groups", house.rosters)
        assert house.exported("/Group/north/$export") == ["c2", "c5", "p2", "p5"]
        house.load("--remove-group", "north")
        assert house.kickoff("/Group/north/$export").status == 404
        assert house.kickoff("/Patient/$export").status == 403
    on_both(t, promise)


def test_what_was_deleted_is_told_to_who_had_it_and_asks_since(t):
    def promise(house):
        gone = house.t.dir / "gone.txt"
        gone.write_text("Coverage/c1\nCoverage/c4\n")
        assert house.load("--deleted", gone, "--json")["deleted"] == 2
        assert house.exported("/Group/north/$export?_since=2026-01-01T00:00:00Z") == ["p0", "p1", "p2"]
        bundles = [json.loads(line) for item in house.deleted
                   for line in house.partner.ask("GET", item["url"], house.token).body.decode().splitlines()]
        urls = [entry["request"]["url"] for bundle in bundles for entry in bundle["entry"]]
        assert urls == ["Coverage/c1"], urls  # c4 was never this client's
    on_both(t, promise)


def test_a_bad_line_is_named_and_nothing_is_loaded(t):
    house = House(t, "payer.db")
    bad = write(t.dir / "more/patients.ndjson", [patient(7)])
    bad.write_text(bad.read_text() + '{"resourceType":"Patient","id":"p8"\n')
    result = house.load(t.dir / "more", code=1)
    assert "patients.ndjson line 2: column 36: the line ends inside the resource" in result.err and "nothing was loaded" in result.err, result.err
    house.t.run("clients", "set", "--config", house.serve.config, "--group", "*", house.partner.client_id)
    assert "p7" not in house.exported("/Patient/$export")


def test_data_that_would_never_be_served_is_not_loaded(t):
    write(t.dir / "data/Patient.ndjson", [patient(1)])
    serve = Serve(t)
    result = t.run("load", "--config", serve.config, t.dir / "data", code=2)
    assert "would never be served" in result.err and "data.folder" in result.err
    assert t.run("load", "--config", serve.config, "--check", "--groups", write(t.dir / "g", [group("n", ())])).out
    assert "Give --config or --database" in t.run("load", t.dir / "data", code=2).err
    assert "what is to be loaded" in t.run("load", "--config", serve.config, code=2).err
    assert "does not exist" in t.run("load", "--database", t.dir / "none.db", t.dir / "data", code=1).err
