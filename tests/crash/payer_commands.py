# SPDX-License-Identifier: Apache-2.0
"""Commands beside serve, struck and given again: the tables are what an undisturbed run gives, the audit log is whole and
knows what was done, nothing is left over."""
import contextlib
import json
import re
import shutil
import signal
import sqlite3

import board as boards
from payer_serve import data
from trial import CAUSES, Machine, need, tree

# Moments, and what is drawn by chance.
VOLATILE = {"created_s", "changed_s", "since_s", "from_s", "deleted_us", "expires_s", "digest", "version", "epoch"}


class Command:
    """`events` are those that the audit log must know when it is done; `done_before` the code when it is given again though
    it was done."""
    name, prepare, args, events, done_before = "", (), (), (), 0

    def write(self, folder, house):
        pass


class Load(Command):
    """Resources in pieces, deletions, rosters, opt-outs; some were there before."""
    name = "load"
    prepare = (("load", "--config", "serve.yaml", "old"),)
    args = ("load", "--config", "serve.yaml", "--groups", "rosters.ndjson", "--deleted", "gone.txt", "--opt-outs", "no.txt", "new")
    events = ("roster.loaded",)

    def write(self, folder, house):
        config = json.loads((folder / "serve.yaml").read_text())
        del config["data"]
        (folder / "serve.yaml").write_text(json.dumps(config))
        for name, people in (("old", range(3)), ("new", range(2, 6))):
            (folder / name).mkdir()
            (folder / name / "Patient.ndjson").write_bytes(b"".join(data.patient(n, f"2026-0{1 + len(people)}-01T00:00:00Z") for n in people))
        (folder / "gone.txt").write_text("Patient/p0\n")
        (folder / "no.txt").write_text("Patient/p1\n")
        (folder / "rosters.ndjson").write_bytes(b"".join(data.line({
            "resourceType": "Group", "id": name, "type": "person", "actual": True,
            "member": [{"entity": {"reference": f"Patient/p{n}"}} for n in members]}) for name, members in (("north", (1, 2)), ("south", (3,)))))


class Clients(Command):
    def write(self, folder, house):
        shutil.copy(house.dir / "public.json", folder / "public.json")


ADD = ("clients", "add", "--config", "serve.yaml", "--id", "beta", "--jwks", "public.json", "--group", "north", "--name", "Beta")


class Add(Clients):
    name, args, events, done_before = "clients add", ADD, ("client.added",), 2


class Suspend(Clients):
    name, events = "clients suspend", ("client.suspended",)
    args = ("clients", "suspend", "--config", "serve.yaml", "acme")


class Approve(Clients):
    name, events = "clients approve", ("client.approved",)
    prepare = (Suspend.args,)
    args = ("clients", "approve", "--config", "serve.yaml", "acme")


class Rotate(Clients):
    name, events = "clients rotate", ("client.keys_changed",)
    args = ("clients", "rotate", "--config", "serve.yaml", "--jwks", "public.json", "acme")


class Take(Clients):
    name, events, done_before = "clients set", ("client.changed",), 1
    args = ("clients", "set", "--config", "serve.yaml", "--no-group", "north", "--name", "other", "acme")


class Remove(Clients):
    name, events, done_before = "clients remove", ("client.removed",), 1
    args = ("clients", "remove", "--config", "serve.yaml", "acme")


class Link(Command):
    """One that was made and never printed is nobody's, and ends by itself."""
    name = "link"
    args = ("link", "--config", "serve.yaml", "--client", "acme", "jane@aco.example")

    def write(self, folder, house):
        config = json.loads((folder / "serve.yaml").read_text())
        (folder / "serve.yaml").write_text(json.dumps({**config, "portal": {"enabled": True}}))


ALL = [Load(), Add(), Suspend(), Approve(), Rotate(), Take(), Remove(), Link()]


def dump(path):
    """{table: rows}, without what differs from run to run."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        need(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "the database is damaged")
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {}
        for table in tables:
            rows = db.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in rows.description]
            found[table] = sorted(repr([(n, v) for n, v in zip(names, row) if n not in VOLATILE]) for row in rows)
        found["portal_links"] = found["portal_links"][:1]
        return found


class CommandTrial(Machine):
    def __init__(self, program, fault, folder, house, command):
        super().__init__(program, fault, folder)
        self.command = command
        house.begin_trial()
        shutil.copytree(house.dir / "payer", self.dir, dirs_exist_ok=True)
        command.write(self.dir, house)
        for args in command.prepare:
            need(self.program_run(args) == 0, f"what comes before fails:\n{self.text}")
        self.lines = len(self.events())

    def run(self, **strike):
        return self.program_run(self.command.args, **strike)

    def events(self):
        path = self.dir / "audit.ndjson.commands"
        return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []

    def judge_log(self, untold=False):
        log = self.dir / "audit.ndjson.commands"
        need(not log.exists() or self.program_run(["audit", "verify", log.name]) == 0, "the audit log is not whole")
        missing = set(self.command.events) - set(self.events()[self.lines:])
        need(untold or not missing, f"done, and not in the audit log: {missing}")

    def names(self):
        """But what a log of a crash has beside it, and says."""
        told = "audit.repaired" in self.events()
        return {name for name in tree(self.dir) if not re.match(r"(lost|scratch)/", name) and not (told and name.endswith(".torn"))}

    def judge(self, wanted):
        """What shuts somebody out is done, told or not, and says which."""
        untold = isinstance(self.command, Remove) and "removed all the same" in self.text
        code = self.run()
        need(code in (0, self.command.done_before), f"exit {code} when it is given again")
        self.judge_log(untold)
        now = dump(self.dir / "payer.db")
        other = {table: (now[table], wanted.tables[table]) for table in wanted.tables if now[table] != wanted.tables[table]}
        need(not other, f"the tables are others: {other}")
        need(self.names() == wanted.names, f"other names: {self.names() ^ wanted.names}")


class Undisturbed:
    def __init__(self, trial):
        need(trial.run() == 0, f"undisturbed, it fails:\n{trial.text}")
        self.trace = trial.board.trace()
        need(self.trace, "no point was counted: fault.c was not loaded")
        trial.judge_log()
        self.tables, self.names = dump(trial.dir / "payer.db"), trial.names()


def strike(trial, wanted, at, how):
    """What happened."""
    code = trial.run(at=at, strike=how)
    if code == -signal.SIGKILL and how in boards.DEADLY:
        trial.boots += how in boards.CUTS
        trial.judge(wanted)
        return "struck"
    if code == 0:
        reached = trial.board.struck
        trial.judge_log()
        need(dump(trial.dir / "payer.db") == wanted.tables, "it said that it was done, and it was not")
        return "tolerated" if reached else "not reached"
    need(how in CAUSES and code == 1, f"exit {code}")
    need(any(cause in trial.last.stderr for cause in CAUSES[how]) or "audit log" in trial.last.stderr, "the message does not name the cause")
    trial.judge(wanted)
    return "struck"
