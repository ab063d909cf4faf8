# SPDX-License-Identifier: Apache-2.0
"""What a payer's side makes is its own alone, whatever the umask; and what is planted in its place is not followed."""
import json

from context import wait_until
from partner import Partner
from serve import Serve
from test_private import UMASKS, expect_private, look, with_umask

SETTINGS = {"audit": {"file": "state/audit.ndjson"}, "database": "state/payer.db", "exports": {"folder": "state/exports"},
            "portal": {"enabled": True}}
COMMANDS = "state/audit.ndjson.commands"  # their own audit log


def write_data(t):
    (t.dir / "data").mkdir()
    (t.dir / "data/Patient.ndjson").write_text("".join(f'{{"resourceType":"Patient","id":"p{i}"}}\n' for i in range(200)))
    (t.dir / "in").mkdir()
    (t.dir / "in/groups.ndjson").write_text(json.dumps({
        "resourceType": "Group", "id": "north", "type": "person", "actual": True,
        "member": [{"entity": {"reference": f"Patient/p{i}"}} for i in range(100)]}) + "\n")


def packed(t, partner, token, url):
    """That there is a compressed copy of the file."""
    wait_until(lambda: partner.ask("GET", url, token, Accept_Encoding="gzip").headers["Content-Encoding"] == "gzip", f"a copy of {url}")


def do_everything(t, serve, limits=None):
    """So that all files are there that ever are; the partner, its token, and what it got."""
    config = ["--config", serve.config]
    t.run("load", *config, "--groups", t.dir / "in/groups.ndjson", limits=limits)
    partner = Partner(t, serve, groups=("north",))
    t.run("link", *config, "--administrator", "ops@payer.example", limits=limits)
    t.run("clients", "set", *config, "--group", "north", partner.client_id, limits=limits)
    token = partner.token()
    urls = [partner.export(token, "/Patient/$export")["output"][0]["url"]]
    t.run("clients", "set", *config, "--group", "*", partner.client_id, limits=limits)
    urls.append(partner.export(token, "/$export?_type=Patient")["output"][0]["url"])
    for url in urls:
        packed(t, partner, token, url)
    return partner, token, urls


def test_all_that_a_payers_side_makes_is_its_own_alone_whatever_the_umask(t):
    write_data(t)
    for number, mask in enumerate(UMASKS):
        state = t.dir / f"house-{number}"
        state.mkdir(mode=0o700)
        limits = with_umask(mask)
        serve = Serve(t, f"serve-{number}", limits=limits, audit={"file": f"{state}/audit.ndjson"}, database=f"{state}/payer.db",
                      exports={"folder": f"{state}/deep/exports"}, portal={"enabled": True})
        do_everything(t, serve, limits)
        names = {str(path.relative_to(state)) for path in state.rglob("*")}
        assert {"payer.db", "payer.db-wal", "audit.ndjson", "audit.ndjson.commands", "deep/exports/jobs", "deep/exports/gzip"} <= names, names
        assert any(name.endswith(".gz") for name in names), names
        expect_private(state)
        serve.end()
        with open(state / "audit.ndjson", "a") as torn:
            torn.write('{"half')
        serve.restart()  # what is torn is kept beside
        assert (state / "audit.ndjson.torn").exists()
        expect_private(state)
        serve.end()


def test_what_was_open_to_others_is_closed(t):
    write_data(t)
    serve = Serve(t, **SETTINGS)
    do_everything(t, serve)
    serve.end()
    (t.dir / COMMANDS).chmod(0o644)
    for name, mode in (("payer.db", 0o666), ("audit.ndjson", 0o666), ("exports", 0o777), ("exports/jobs", 0o777), ("exports/gzip", 0o777)):
        (t.dir / "state" / name).chmod(mode)
    serve.start()
    t.run("load", "--config", serve.config, "--groups", t.dir / "in/groups.ndjson")
    modes = {name: (t.dir / "state" / name).stat().st_mode & 0o7777 for name in
             ("payer.db", "audit.ndjson", "audit.ndjson.commands", "exports", "exports/jobs", "exports/gzip")}
    assert modes == {"payer.db": 0o600, "audit.ndjson": 0o640, "audit.ndjson.commands": 0o640,  # a group may read it, and ship it
                     "exports": 0o755, "exports/jobs": 0o700, "exports/gzip": 0o700}, modes
    assert "others could write into" in serve.end().err
    (t.dir / "state/exports").chmod(0o1777)
    result = t.start("serve", "--config", serve.config).wait()
    assert result.code == 2 and "users share" in result.err, result


PLANTED = ("payer.db", "payer.db-wal", "payer.db-shm", "audit.ndjson", "exports/jobs", "exports/gzip")


def plant(t, name, target):
    link = t.dir / "state" / name
    link.parent.mkdir(exist_ok=True)
    if link.exists() or link.is_symlink():
        link.rename(t.dir / f"aside-{link.name}")
    link.symlink_to(target)
    return link


def take_away(t, link):
    link.unlink(missing_ok=True)
    aside = t.dir / f"aside-{link.name}"
    if aside.exists():
        aside.rename(link)


def targets(t, name):
    """A file of somebody's, a folder of somebody's, and nothing; each with what it was before."""
    theirs, folder, nothing = (t.dir / f"{kind}-{name.replace('/', '-')}" for kind in ("theirs", "folder", "nothing"))
    theirs.write_bytes(b"theirs")
    theirs.chmod(0o644)
    folder.mkdir()
    (folder / "inside").write_bytes(b"theirs")
    folder.chmod(0o755)
    return [(target, look(target)) for target in (theirs, folder, nothing)]


def test_a_link_in_the_place_of_what_serve_makes_is_not_followed(t):
    write_data(t)
    serve = Serve(t, **SETTINGS)
    do_everything(t, serve)
    serve.end()
    for name in PLANTED:
        for target, before in targets(t, name):
            link = plant(t, name, target)
            result = t.start("serve", "--config", serve.config).wait()
            assert look(target) == before, f"a link named {name} to {target.name} was followed\n{result}"
            assert result.code in (1, 2) and link.name in result.err, f"{name}, a link to {target.name}, is not named\n{result}"
            take_away(t, link)
    serve.start()


def test_a_link_in_the_place_of_what_commands_make_is_not_followed(t):
    write_data(t)
    serve = Serve(t, **SETTINGS)
    partner, _, _ = do_everything(t, serve)
    config = ["--config", serve.config]
    commands = (["load", *config, "--groups", t.dir / "in/groups.ndjson"], ["clients", "set", *config, "--group", "north", partner.client_id])
    for target, before in targets(t, "commands"):
        link = plant(t, "audit.ndjson.commands", target)
        for command in commands:
            result = t.start(*command).wait()
            assert look(target) == before, f"a link to {target.name} was followed\n{result}"
            assert result.code in (1, 2) and link.name in result.err, result
        take_away(t, link)
    serve.end()
    for target, before in targets(t, "database"):
        link = plant(t, "payer.db", target)
        for command in (*commands, ["link", *config, "--administrator", "ops@payer.example"]):
            result = t.start(*command).wait()
            assert look(target) == before and result.code in (1, 2) and link.name in result.err, result
        take_away(t, link)


def test_a_link_among_prepared_files_is_neither_served_nor_emptied(t):
    write_data(t)
    serve = Serve(t, **SETTINGS)
    partner, token, urls = do_everything(t, serve)
    jobs, gzip = t.dir / "state/exports/jobs", t.dir / "state/exports/gzip"
    paths = [url.partition("/fhir")[2] for url in urls]  # the port changes
    whole = [partner.ask("GET", path, token).body for path in paths]
    serve.end()
    victim = t.dir / "victim"  # as if it were a job that nobody knows any more
    (victim / "inside").mkdir(parents=True)
    (victim / "inside/precious").write_bytes(b"precious")
    (jobs / ("0" * 32)).symlink_to(victim)
    written = next(path for path in jobs.rglob("*.ndjson"))
    copy = next(gzip.glob("*.gz"))
    copy.unlink()
    (t.dir / "forged.gz").write_bytes(b"forged")
    copy.symlink_to(t.dir / "forged.gz")
    serve.start()
    answer = partner.ask("GET", paths[1], token, Accept_Encoding="gzip")
    assert answer.status == 200 and answer.body == whole[1], answer.body[:100]
    for folder in (written.parent, written.parent.parent):  # the attempt's folder, and the job's
        elsewhere = t.dir / f"elsewhere-{folder.name}"
        folder.rename(elsewhere)
        folder.symlink_to(elsewhere)
        answer = partner.ask("GET", paths[0], token)
        assert answer.status >= 400, f"{folder.name} was followed"
        folder.unlink()
        elsewhere.rename(folder)
    assert partner.ask("GET", paths[0], token).body == whole[0]
    serve.end()
    assert (victim / "inside/precious").read_bytes() == b"precious"


def test_a_link_in_the_place_of_the_shared_token_is_not_followed(t):
    payer, folder = t.payer(), t.dir / "run/smartbulk"
    t.export(payer, to="first")
    name = next(folder.glob("token-*.json")).name
    for end in ("", ".tmp", ".lock"):
        for target, before in targets(t, "token" + end):
            for path in folder.glob("token-*"):
                path.unlink()
            (folder / (name + end)).symlink_to(target)
            result = t.start_export(payer, to=f"out-{target.name}").wait()
            assert look(target) == before, f"{name + end} was followed to {target.name}\n{result}"
            assert result.code == 0, result  # it does without
