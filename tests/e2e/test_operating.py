# SPDX-License-Identifier: Apache-2.0
"""What a payer's operator does beside `smartbulk serve`: the register of clients, the audit log."""
import json
import signal
import sqlite3

from context import wait_until
from partner import Partner
from serve import Serve
from test_serve import fetch_all, write_claims

AUDIT = {"file": "audit.ndjson"}


def events(t, name="audit.ndjson"):
    return [json.loads(line) for line in (t.dir / name).read_text().splitlines()]


def clients(t, serve, *args, code=0):
    return t.run("clients", args[0], "--config", serve.config, *args[1:], code=code)


def verify(t, *names, code=0):
    return json.loads(t.run("audit", "verify", "--json", *[t.dir / name for name in names], code=code).out.splitlines()[-1])


def test_every_step_of_a_partner_and_every_refusal_is_in_the_audit_log(t):
    write_claims(t)
    serve = Serve(t, audit=AUDIT)
    partner = Partner(t, serve)
    token = partner.token()
    fetch_all(partner, token, partner.export(token))
    assert partner.ask("DELETE", partner.job, token).status == 202
    assert partner.ask_token(partner.assertion(aud="https://elsewhere.example")).status == 401
    assert partner.ask("GET", "/Patient/$export", "A" * 43).status == 401
    serve.end()
    seen = events(t)
    names = [event["event"] for event in seen]
    for name in ("client.registered", "token.issued", "export.started", "export.finished", "export.file", "export.deleted"):
        assert name in names, (name, names)
        assert all(event["client"] == partner.client_id for event in seen if event["event"] == name), seen
    refused = next(event for event in seen if event["event"] == "token.refused")
    assert (refused["reason"], refused["client"], refused["peer"]) == ("aud_wrong", partner.client_id, "127.0.0.1"), refused
    assert any(event["reason"] == "token_invalid" for event in seen if event["event"] == "export.refused"), seen
    text = (t.dir / "audit.ndjson").read_text()
    assert token not in text and "Patient/p" not in text and '"p1"' not in text
    whole = verify(t, "audit.ndjson")
    assert whole["problems"] == 0 and whole["lines"] == len(seen), whole


def test_an_audit_log_survives_a_kill_and_is_gone_on_with(t):
    write_claims(t)
    serve = Serve(t, audit=AUDIT)
    partner = Partner(t, serve)
    partner.token()
    serve.kill()
    before = len(events(t))
    serve.start()
    Partner(t, serve).token()
    serve.end()
    assert verify(t, "audit.ndjson")["lines"] > before >= 2


def test_a_rotated_audit_log_goes_on_in_a_new_file_and_a_missing_line_is_found(t):
    write_claims(t)
    serve = Serve(t, audit=AUDIT)
    partner = Partner(t, serve)
    (t.dir / "audit.ndjson").rename(t.dir / "audit.ndjson.1")
    serve.process.signal(signal.SIGHUP)
    wait_until((t.dir / "audit.ndjson").exists, "the new file")
    partner.token()
    serve.end()
    assert verify(t, "audit.ndjson.1", "audit.ndjson")["problems"] == 0
    assert verify(t, "audit.ndjson")["goesOn"].startswith("1:")
    head = t.run("audit", "head", t.dir / "audit.ndjson").out.strip()
    lines = (t.dir / "audit.ndjson").read_text().splitlines(keepends=True)
    (t.dir / "cut").write_text("".join(lines[:-1]))
    t.run("audit", "verify", t.dir / "audit.ndjson.1", t.dir / "cut", "--head", head, code=6)
    t.run("audit", "verify", t.dir / "audit.ndjson.1", t.dir / "audit.ndjson", "--head", head)


def test_a_client_is_suspended_and_let_in_again_while_serve_runs(t):
    write_claims(t)
    serve = Serve(t, audit=AUDIT)
    partner = Partner(t, serve)
    token = partner.token()
    clients(t, serve, "suspend", partner.client_id)
    wait_until(lambda: partner.ask("GET", "/Group", token).status == 401, "its tokens to end")
    wait_until(lambda: partner.ask_token(partner.assertion()).status == 401, "it to be shut out")
    clients(t, serve, "approve", partner.client_id, "--scope", "system/Coverage.rs")
    wait_until(lambda: partner.ask_token(partner.assertion()).status == 200, "it to be let in")
    assert partner.ask("GET", "/Group", token).status == 401, "a token from before the suspension"
    assert partner.ask_token(partner.assertion()).json()["scope"] == "system/Coverage.rs"
    listed = [json.loads(line) for line in clients(t, serve, "list", "--state", "active", "--json").out.splitlines()]
    assert [client["id"] for client in listed] == [partner.client_id], listed
    clients(t, serve, "remove", partner.client_id)
    wait_until(lambda: partner.ask_token(partner.assertion()).status == 401, "it to be gone")
    clients(t, serve, "show", partner.client_id, code=1)
    told = events(t, "audit.ndjson.commands")
    assert [event["event"] for event in told] == ["client.changed", "client.suspended", "client.changed", "client.approved",
                                               "client.removed"], told
    assert [event["detail"] for event in told if event["event"] == "client.changed"] == ["gives *", "scope"], told
    assert all(event["actor"].startswith("command line (") for event in told), told
    assert verify(t, "audit.ndjson.commands")["problems"] == 0
    logs = [t.dir / name for name in ("audit.ndjson", "audit.ndjson.commands")]
    heads = [line for line in t.run("audit", "verify", *logs).out.splitlines() if line.startswith("head ")]
    assert heads[1] == f"head {t.run('audit', 'head', logs[1]).out.strip()} of {logs[1]}" and len(heads) == 2, heads
    assert heads[0].endswith(f" of {logs[0]}"), heads


def test_a_client_rotates_its_keys_by_its_operator(t):
    write_claims(t)
    serve = Serve(t)
    partner = Partner(t, serve)
    t.key("next.jwk")
    (t.dir / "next.json").write_text(t.run("key", "jwks", t.dir / "keys/next.jwk").out)
    partner.token()
    clients(t, serve, "rotate", partner.client_id, "--jwks", t.dir / "next.json")
    wait_until(lambda: partner.ask_token(partner.assertion()).status == 401, "its old key to be no good")
    shown = json.loads(clients(t, serve, "show", partner.client_id, "--json").out)
    assert [key["kid"] for key in shown["keys"]] != [partner.kid], shown


def test_whose_keys_were_confirmed_cannot_put_others_there_afterwards(t):
    write_claims(t)
    serve = Serve(t, audit=AUDIT, auth={"registration": "pending"})
    aco, mallory = Partner(t, serve), Partner(t, serve, groups=())  # mallory's own is there for its keys alone
    theirs = {"keys": [aco.public]}
    posed = json.loads(clients(t, serve, "show", "--json", mallory.client_id).out)
    assert mallory.change_registration(client_name="ACO North", jwks=theirs).status == 200
    refused = clients(t, serve, "approve", "--group", "*", "--thumbprint", posed["keys"][0]["thumbprint"], mallory.client_id, code=1)
    assert "not exactly these" in refused.err, refused.err
    assert "it registered itself" in clients(t, serve, "approve", "--group", "*", mallory.client_id, code=2).err
    shown = clients(t, serve, "show", mallory.client_id).out
    assert f"thumbprint   {aco.thumbprint()}\n" in shown and "rosters      none" in shown, shown
    assert f"  thumbprint {aco.thumbprint()}\n" in clients(t, serve, "list", "--state", "pending").out
    clients(t, serve, "approve", "--group", "*", "--thumbprint", aco.thumbprint(), mallory.client_id)
    as_aco = mallory.key_file
    mallory.key_file = aco.key_file
    wait_until(lambda: mallory.ask_token(mallory.assertion()).status == 200, "it to be let in")
    token = mallory.token()
    mallory.key_file = as_aco
    answer = mallory.change_registration(client_name="ACO North", jwks={"keys": [mallory.public]})
    assert answer.status == 200 and answer.json()["client_state"] == "pending", answer.body
    assert mallory.ask_token(mallory.assertion()).status == 401 and mallory.ask("GET", "/Group", token).status == 401
    told = [event for event in events(t) if event["event"] == "client.keys_changed"]
    own = posed["keys"][0]["thumbprint"]
    assert [event["detail"] for event in told] == [f"keys, name; its keys were {own}",
                                                   f"keys; its keys were {aco.thumbprint()}"], told
    assert (told[1]["client"], told[1]["reason"]) == (mallory.client_id, "registration_pending"), told
    waits = json.loads(clients(t, serve, "show", "--json", mallory.client_id).out)
    assert (waits["state"], waits["changedItself"]) == ("pending", "keys"), waits
    assert "approved" in clients(t, serve, "show", mallory.client_id).out


def test_after_a_rotation_nobody_puts_the_old_keys_back(t):
    write_claims(t)
    serve = Serve(t)
    keeps, ends = Partner(t, serve), Partner(t, serve)
    t.key("next.jwk")
    (t.dir / "next.json").write_text(t.run("key", "jwks", t.dir / "keys/next.jwk").out)
    clients(t, serve, "rotate", ends.client_id, "--jwks", t.dir / "next.json")
    clients(t, serve, "rotate", "--keep-registration", keeps.client_id, "--jwks", t.dir / "next.json")
    wait_until(lambda: ends.change_registration().status == 401, "the token to end")
    answer = keeps.change_registration()
    assert answer.status == 200 and answer.json()["client_state"] == "pending", answer.body  # the operator's keys go


def test_those_who_wait_for_too_long_are_removed_at_once(t):
    write_claims(t)
    serve = Serve(t, auth={"registration": "pending"})
    waits = Partner(t, serve, groups=())
    assert clients(t, serve, "remove", "--pending", "--older-than", "1").out == "0 clients were removed\n"
    assert json.loads(clients(t, serve, "remove", "--json", "--pending", "--older-than", "0").out) == {"removed": 1}
    clients(t, serve, "show", waits.client_id, code=1)
    for odd in (["--pending"], ["--older-than", "1"], ["--pending", "--older-than", "x"], ["--pending", "--older-than", "1", "id"]):
        clients(t, serve, "remove", *odd, code=2)


def test_who_waited_in_a_database_of_before_still_has_to_be_looked_at(t):
    write_claims(t)
    serve = Serve(t, auth={"registration": "pending"})
    waits, was_in = Partner(t, serve), Partner(t, serve)
    serve.end()
    with sqlite3.connect(t.dir / serve.settings["database"]) as db:  # as the first version made it
        for column in ("admission", "self_changed", "registered_from"):
            db.execute(f"ALTER TABLE clients DROP COLUMN {column}")
        for table in ("clients", "tokens"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN epoch")
        db.execute("ALTER TABLE deleted_resources DROP COLUMN others")
        db.execute("UPDATE clients SET state = 'active' WHERE id = ?", (was_in.client_id,))
        db.execute("PRAGMA user_version = 1")
    serve.start()
    assert "it registered itself" in clients(t, serve, "approve", waits.client_id, code=2).err
    clients(t, serve, "approve", "--thumbprint", waits.thumbprint(), waits.client_id)
    was_in.registration["registration_client_uri"] = f"{serve.base_url}/register/{was_in.client_id}"
    assert was_in.change_registration(client_name="Another").json()["client_state"] == "pending"
