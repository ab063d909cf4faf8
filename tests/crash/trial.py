# SPDX-License-Identifier: Apache-2.0
"""One trial: an export is struck at one point (or more), gone on with, and judged against one that was left alone."""
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import board as boards
from scenarios import CrashPayer

DAY_S = 86400
DEADLINE_S = 120  # of one run of the program; it takes a fraction of a second: whoever waits longer waits for ever
SETTLED = (1, 2, 4, 5)  # of the journal's files: done, rejected, and both before they are in their place
VOLATILE_FACTS = {"export_id", "started", "kickoff_sent", "settings", "poll_url"}
VOLATILE = {"log.ndjson", ".smartbulk/journal.db"}  # told apart by judge_log() and the journal's rows
UNFOLDED = {".smartbulk/journal.db-wal", ".smartbulk/journal.db-shm"}  # no harm: who opens the journal next folds them in
# The job's number, for a second kick-off has another; and which of a file's URLs it was, for those that expire are renewed.
JOB = re.compile(rb"/(files/\d+|status)/\d+")


class Fault(AssertionError):
    """A promise that was broken."""


def need(condition, text):
    if not condition:
        raise Fault(text)


def plain(text):
    return JOB.sub(lambda match: b"/files/n/n" if b"files" in match[1] else b"/status/n", text)


class Journal:
    """What the journal says, looked at in a copy: looking would mend what is to be mended by the program."""

    def __init__(self, out, scratch):
        self.facts, self.files, self.pages, self.parts = {}, {}, [], []
        names = [n for n in ("journal.db", "journal.db-wal", "journal.db-journal") if (out / ".smartbulk" / n).exists()]
        if "journal.db" not in names:
            return
        for name in names:
            shutil.copyfile(out / ".smartbulk" / name, scratch / name)
        with contextlib.closing(sqlite3.connect(scratch / "journal.db")) as db:
            if db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'parts'").fetchone()[0]:
                self.facts = dict(db.execute("SELECT name, value FROM facts"))
                self.files = {r[0]: r[1:] for r in db.execute(
                    "SELECT name, id, state, page, place, kind, type, url, count, bytes, resources, bad_lines, sha256, "
                    "problem FROM files")}
                self.pages = list(db.execute("SELECT * FROM pages"))
                self.parts = list(db.execute("SELECT id FROM parts"))
        for path in scratch.glob("journal.db*"):
            path.unlink()

    def settled(self):
        return {name for name, row in self.files.items() if row[1] in SETTLED}

    def comparable(self):
        facts = {k: v for k, v in self.facts.items() if k not in VOLATILE_FACTS}
        return plain(repr((facts, self.files, self.pages, self.parts)).encode())


def tree(folder):
    """{name: bytes, or None for a folder}"""
    if not folder.exists():
        return {}
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in sorted(folder.rglob("*"))}


class Machine:
    """A folder to be at home in, and a board: what the program is run on."""

    def __init__(self, program, fault, folder):
        self.program, self.fault, self.dir = program, fault, Path(folder)
        shutil.rmtree(self.dir, ignore_errors=True)
        for name in ("home", "state", "run", "scratch", "lost"):
            (self.dir / name).mkdir(parents=True, mode=0o700)
        self.board = boards.Board(self.dir / "board")
        self.boots = 0
        self.text = ""  # all that was printed

    def start(self, args, at=0, strike=boards.NONE, clock_shift_s=0, stderr=subprocess.PIPE):
        self.board.set(at, strike, clock_shift_s, self.boots)
        env = {"HOME": str(self.dir / "home"), "XDG_STATE_HOME": str(self.dir / "state"), "LC_ALL": "C.UTF-8", "TZ": "UTC",
               "XDG_RUNTIME_DIR": str(self.dir / "run"), "XDG_CONFIG_HOME": str(self.dir / "home/.config"),
               "PATH": os.environ["PATH"], "LD_PRELOAD": str(self.fault), "SB_FAULT": str(self.board.path),
               "SB_FAULT_LOST": str(self.dir / "lost")}
        return subprocess.Popen([self.program, *map(str, args)], env=env, cwd=self.dir, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=stderr, errors="replace")

    def program_run(self, args, **strike):
        """The exit code; a death by signal is negative."""
        with self.start(args, **strike) as self.running:
            try:
                out, err = self.running.communicate(timeout=DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self.last = subprocess.CompletedProcess(args, self.running.returncode, out, err)
        self.text += f"$ {args[0]}: exit {self.last.returncode}\n{out}{err}"
        return self.last.returncode

    def said(self):
        """All that was, for whoever looks into a failure."""
        return self.text

    def kill(self):
        self.running.kill()

    def close(self):
        self.board.close()


class Trial(Machine):
    """A folder, a payer, a board."""

    def __init__(self, program, fault, key, server, folder, scenario):
        super().__init__(program, fault, folder)
        self.key, self.scenario, self.out = key, scenario, self.dir / "out"
        self.payer = CrashPayer(server, self.board, scenario.files())
        scenario.set_up(self.payer)

    def run(self, command, **strike):
        if command == "export":
            return self.program_run(["export", self.payer.fhir_url, "--client-id", "client-1", "--key", self.key,
                                     "--patients", "--to", self.out, *self.scenario.options], **strike)
        return self.program_run([*command.split(), self.out], **strike)

    def export(self, **strike):
        return self.run("export", **strike)

    def begun(self):
        return "phase" in Journal(self.out, self.dir / "scratch").facts

    def go_on(self, **strike):
        """As a person does, or cron: resume; where nothing was begun, the same command again."""
        code = self.run("resume", **strike)
        if code == 1 and not self.begun():
            code = self.run("export", **strike)
        return code

    def status(self):
        need(self.run("status --json") == 0, "status fails")
        status = json.loads(self.last.stdout)
        return plain(json.dumps(status, sort_keys=True).encode())


class Undisturbed:
    """What an export of this scenario is when nothing happens to it."""

    def __init__(self, trial):
        code = trial.run("export")
        need(code == trial.scenario.code, f"undisturbed, it exits with {code}:\n{trial.text}")
        self.trace = trial.board.trace()
        need(self.trace, "no point was counted: fault.c was not loaded")
        self.kicked_off = trial.payer.seen("GET", r".*\$export")[0].point
        self.journal = Journal(trial.out, trial.dir / "scratch")
        self.status = trial.status()
        self.out, self.state, self.run_dir = tree(trial.out), tree(trial.dir / "state"), tree(trial.dir / "run")
        self.fetched = trial.payer.fetched()
        self.by_name = {name: re.sub(r"^.*/files/\d+/\d+/", "", row[6]) for name, row in self.journal.files.items()}

    def place_of(self, name):
        """Where a file of the journal lies: in its place or in rejected/."""
        return name if name in self.out else f"rejected/{name}"


class Struck:
    """What was there when it was struck, and what must hold from there on."""

    def __init__(self, trial, undisturbed, at):
        self.trial, self.undisturbed, self.at = trial, undisturbed, at
        self.journal = Journal(trial.out, trial.dir / "scratch")
        self.settled = {n for n in undisturbed.by_name if (trial.out / undisturbed.place_of(n)).exists()}
        for name in self.settled:
            place = undisturbed.place_of(name)
            need((trial.out / place).read_bytes() == undisturbed.out[place], f"{place} is in its place, and not whole")
        self.settled |= self.journal.settled()
        self.requests, self.trace = len(trial.payer.requests), trial.board.trace()

    def judge(self):
        after = self.trial.payer.requests[self.requests:]
        again = {re.sub(r"^/files/\d+/\d+/", "", r.path) for r in after if r.path.startswith("/files/")}
        twice = {n for n in self.settled if self.undisturbed.by_name[n] in again}
        need(not twice, f"fetched again although it was finished: {sorted(twice)}")
        self.judge_kickoffs(after)

    def judge_kickoffs(self, after):
        """None is made again, unless there was no answer to the first that could have been written down: between the two
        lies nothing but a line of the log and the journal's own commit."""
        before = [r for r in self.trial.payer.requests[:self.requests] if r.path.endswith("$export")]
        if not before or not [r for r in after if r.path.endswith("$export")]:
            return
        need("poll_url" not in self.journal.facts, "kicked off again although the job was known")
        between = {name for _call, name in self.trace[before[-1].point:self.at]}
        need(between <= {"log.ndjson", "journal.db-wal"}, f"kicked off again: {between} came before the job's address was written down")


def judge_log(trial, whole):
    lines = (trial.out / "log.ndjson").read_bytes().split(b"\n")
    need(lines.pop() == b"" or not whole, "log.ndjson ends in the middle of a line")
    events = [json.loads(line)["eventId"] for line in lines]
    need("kickoff" in events or not whole, "log.ndjson knows no kick-off")
    need(not whole or events[-1] == "export_complete", f"log.ndjson ends with {events[-1:]}")


def judge_end(trial, undisturbed, code, lenient=False, cut=False):
    """The export is as if nothing had happened. `lenient`: but what is for convenience may be missing, for the disk did not
    take it; `cut`: the log, which nothing relies on, may have lost lines."""
    need(code == trial.scenario.code, f"exit {code} in the end, not {trial.scenario.code}")
    out = {name: what for name, what in tree(trial.out).items() if not lenient or name not in UNFOLDED}
    need(sorted(out) == sorted(undisturbed.out),
         f"other names: {sorted(set(out) - set(undisturbed.out))} too many, {sorted(set(undisturbed.out) - set(out))} missing")
    for name in set(out) - VOLATILE:
        same = out[name] == undisturbed.out[name] or (
            out[name] and plain(out[name]) == plain(undisturbed.out[name]))
        need(same, f"{name} differs from that of an undisturbed export")
    for where, wanted in (("state", undisturbed.state), ("run", undisturbed.run_dir)):
        now = set(tree(trial.dir / where))
        need(not now - set(wanted), f"left over in the {where} folder: {sorted(now - set(wanted))}")
        need(lenient or not set(wanted) - now, f"missing in the {where} folder: {sorted(set(wanted) - now)}")
    journal = Journal(trial.out, trial.dir / "scratch")
    need(journal.comparable() == undisturbed.journal.comparable(),
         f"the journal says something else:\n{journal.comparable()}\n{undisturbed.journal.comparable()}")
    need(trial.status() == undisturbed.status, f"status says something else: {trial.last.stdout}")
    need(set(trial.payer.fetched()) == set(undisturbed.fetched), "other files were fetched")
    judge_log(trial, not lenient and not cut)


CAUSES = {boards.FULL: ("No space left on device", "disk is full", "could not be created beside it"), boards.SYNC_FAILS: ("Input/output error", "disk I/O error")}
CAUSES[boards.FULL_ONCE], CAUSES[boards.SYNC_ONCE] = CAUSES[boards.FULL], CAUSES[boards.SYNC_FAILS]


def strike_once(trial, undisturbed, run, at, how, shift):
    """One run that is struck. (what happened, what must hold from there on or None)"""
    code = run(at=at, strike=how, clock_shift_s=shift)
    if code == -signal.SIGKILL and how in boards.DEADLY:
        struck = Struck(trial, undisturbed, at)
        trial.boots += how in boards.CUTS
        return "struck", struck
    if code == trial.scenario.code:
        reached = trial.board.struck or how == boards.CLOCK
        return ("tolerated" if reached else "not reached"), None
    need(how in CAUSES, f"exit {code}")
    need(code == 1, f"exit {code}, not 1")
    need(any(cause in trial.last.stderr for cause in CAUSES[how]), "the message does not name the cause")
    return "struck", Struck(trial, undisturbed, at)


def go_through(trial, undisturbed, strikes, end_shift_s):
    """Struck again and again, then left alone; judged. What happened last."""
    struck, happened = [], []
    for at, how, shift in strikes:
        what, after = strike_once(trial, undisturbed, trial.go_on if struck else trial.export, at, how, shift)
        happened.append(what)
        if not after:
            break
        struck.append(after)
    jobs = len(trial.payer.jobs)
    code = trial.last.returncode if happened[-1] != "struck" else trial.go_on(clock_shift_s=end_shift_s)
    cut = any(how in boards.CUTS for _at, how, _shift in strikes)
    judge_end(trial, undisturbed, code, lenient=any(how in CAUSES for _at, how, _shift in strikes), cut=cut)
    for one in struck:
        one.judge()
    return "second kick-off" if len(trial.payer.jobs) > jobs > 0 else happened[-1]
