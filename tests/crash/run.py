#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py PROGRAM FAULT_SO - the crash matrix: an export is killed at every point where it changes what is on disk.

  --only TEXT      scenarios whose name holds it
  --size N         so many trials, evenly chosen; 0: all
  --at N           this point alone, and say what the program printed
  --jobs N         so many at a time (default: two for each processor, for some wait)

The points are enumerated by a run that only counts (fault.c). Each trial is an export that is struck at one of them, then
resumed; it must end as if nothing had happened, with no finished file fetched again and nothing left over. SB_SOAK=1 is
the long form. The last lines are the figures and "N passed, N failed"."""
import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import board as boards
import scenarios
from trial import Fault, Struck, Trial, Undisturbed, is_killed, judge_end

SIZE = 0 if os.environ.get("SB_SOAK") == "1" else 600  # trials; 0: all


class Worker:
    """A process of its own: with its payer's server, and what each scenario is when undisturbed."""
    one = None

    def __init__(self, program, fault, key, folder):
        self.given = (program, fault, key)
        self.folder = Path(folder) / f"worker-{os.getpid()}"
        self.server = scenarios.PlainServer()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.known = {}

    def trial(self, scenario):
        return Trial(*self.given, self.server, self.folder / "trial", scenario)

    def undisturbed(self, scenario):
        if scenario.name not in self.known:
            trial = self.trial(scenario)
            self.known[scenario.name] = Undisturbed(trial)
            trial.close()
        return self.known[scenario.name]


def begin_worker(*given):
    os.umask(0o022)
    Worker.one = Worker(*given)


def count_points(index):
    return Worker.one.undisturbed(scenarios.ALL[index]).trace


def strike(task):
    """(what happened, text of a broken promise or None)"""
    index, at, how = task
    scenario = scenarios.ALL[index]
    undisturbed = Worker.one.undisturbed(scenario)
    trial = Worker.one.trial(scenario)
    try:
        code = trial.run("export", at, how)
        if not is_killed(code):
            judge_end(trial, undisturbed, code)
            return "not reached", None
        struck = Struck(trial, undisturbed)
        jobs = len(trial.payer.jobs)
        judge_end(trial, undisturbed, trial.go_on())
        struck.judge()
        return "second kick-off" if len(trial.payer.jobs) > jobs > 0 else "resumed", None
    except (Fault, OSError, subprocess.TimeoutExpired) as problem:
        call = undisturbed.trace[at - 1] if at <= len(undisturbed.trace) else "?"
        return "failed", f"{scenario.name}: {boards.NAMES[how]} point {at} {call}: {problem}\n{trial.text}"
    finally:
        trial.close()


def plan(traces, args):
    for index, trace in traces.items():
        for at, (call, _name) in enumerate(trace, 1):
            if args.at and at != args.at:
                continue
            yield index, at, boards.KILL
            if call == "w":
                yield index, at, boards.TORN


def thinned(tasks, size):
    """Evenly, when there are more than `size`."""
    return tasks if not size or len(tasks) <= size else [tasks[n * len(tasks) // size] for n in range(size)]


def run(args, folder):
    key = Path(folder) / "key.jwk"
    subprocess.run([args.program, "key", "new", "-o", key], check=True, capture_output=True)
    given = (Path(args.program).resolve(), Path(args.fault).resolve(), key, folder)
    chosen = [n for n, s in enumerate(scenarios.ALL) if args.only in s.name]
    counts, failures = {}, []
    with multiprocessing.Pool(args.jobs, begin_worker, given) as pool:
        traces = dict(zip(chosen, pool.map(count_points, chosen, 1)))
        for n in chosen:
            print(f"{scenarios.ALL[n].name}: {len(traces[n])} points", flush=True)
        for what, problem in pool.imap_unordered(strike, thinned(list(plan(traces, args)), args.size), 1):
            counts[what] = counts.get(what, 0) + 1
            if problem:
                failures.append(problem)
                print("FAILED  " + problem.replace("\n", "\n    "), flush=True)
    total = sum(counts.values())
    kills = total - counts.get("not reached", 0)
    print(f"crash: {sum(map(len, traces.values()))} points, {kills} kills, {counts.get('second kick-off', 0)} second kick-offs "
          f"(the answer to the first was not on disk yet), {len(failures)} losses")
    print(f"{total - len(failures)} passed, {len(failures)} failed")
    return 1 if failures or not total else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("fault")
    parser.add_argument("--only", default="")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--jobs", type=int, default=2 * len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    memory = Path("/dev/shm")  # a kill leaves there what it leaves on a disk, and syncs cost nothing
    folder = tempfile.mkdtemp(prefix="smartbulk-crash-", dir=memory if os.access(memory, os.W_OK) else None)
    try:
        return run(args, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
