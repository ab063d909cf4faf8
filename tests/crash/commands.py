# SPDX-License-Identifier: Apache-2.0
"""Commands that are given again after they were killed: a key is whole or not there, a cancelled export is cancelled."""
import board as boards
from trial import CAUSES, need


class NewKey:
    name = "key new"

    def set_up(self, trial):
        self.path = trial.dir / "new.jwk"

    def run(self, trial, **strike):
        return trial.program_run(["key", "new", "-o", self.path], **strike)

    def judge(self, trial, may_be_there):
        code = self.run(trial)
        need(code == 0 or (code == 2 and may_be_there), f"exit {code} when it is given again")
        need(trial.program_run(["key", "show", self.path]) == 0, "the key cannot be read")
        need(self.path.stat().st_mode & 0o777 == 0o600, "others may read the key")
        left = [p.name for p in trial.dir.glob("new.jwk*")]
        need(left == ["new.jwk"], f"left over: {left}")


class Cancel:
    """Of an export that is waiting for the payer."""
    name = "cancel"

    def set_up(self, trial):
        def stop(_request):
            trial.kill()
        trial.payer.when("GET", r"/fhir/status/\d+", stop, times=1)
        trial.export()
        need(len(trial.payer.jobs) == 1, "there is no job to cancel")

    def run(self, trial, **strike):
        return trial.run("cancel", **strike)

    def judge(self, trial, _may_be_there):
        code = self.run(trial)
        need(code == 0, f"exit {code} when it is given again")
        need(trial.payer.removed == set(trial.payer.jobs), "the payer still has the job")
        need(trial.run("resume") == 2 and "cancelled" in trial.last.stderr, "it can be resumed")


class Token:
    """What runs share of a token is for convenience: whatever becomes of it, the next run gets one that the payer gave."""
    name = "token"

    def set_up(self, trial):
        pass

    def run(self, trial, **strike):
        return trial.program_run(["token", trial.payer.fhir_url, "--client-id", "client-1", "--key", trial.key], **strike)

    def judge(self, trial, _may_be_there):
        for _ in range(2):  # as it is found, and as it was left
            need(self.run(trial) == 0, f"exit {trial.last.returncode} when it is given again")
            need(trial.last.stdout.strip() in trial.payer.secrets(), "it printed a token that the payer never gave")
        files = [path for folder in ("state", "run") for path in (trial.dir / folder).rglob("*") if path.is_file()]
        left = [path.name for path in files if path.name.endswith(".tmp")]
        need(not left, f"left over: {left}")
        need(all(path.stat().st_mode & 0o777 == 0o600 for path in files), "others may read what is kept of it")


ALL = [NewKey(), Cancel(), Token()]


def count(trial, command):
    command.set_up(trial)
    need(command.run(trial) == 0, f"undisturbed, {command.name} fails:\n{trial.text}")
    return trial.board.trace()


def strike(trial, command, at, how):
    """What happened."""
    command.set_up(trial)
    code = command.run(trial, at=at, strike=how)
    killed = code < 0
    if how in CAUSES:  # it may bear it
        need(code in (0, 1), f"exit {code}")
        need(code == 0 or any(cause in trial.last.stderr for cause in CAUSES[how]), "the message does not name the cause")
        reached = trial.board.struck
        command.judge(trial, code == 0)
        return "struck" if code else "tolerated" if reached else "not reached"
    need(killed or code == 0, f"exit {code}")
    trial.boots += how in boards.CUTS
    if killed:
        command.judge(trial, killed)
    return "struck" if killed else "not reached"
