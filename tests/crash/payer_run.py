#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""payer_run.py PROGRAM FAULT_SO - the crash matrix of the payer's side: `serve`, and the commands beside it, struck at every
point where they change what is on disk (run.py tells more of points and kinds).

  --only TEXT      scenarios whose name holds it
  --kind KIND      "kill", "power cut", "disk full" or "sync fails"
  --all            every one, not so many, evenly chosen
  --at N           this point alone
  --jobs N         so many at a time (default: two for each processor, for some wait)

SB_SOAK=1 is the long form. The last lines are the figures and "N passed, N failed"."""
import argparse
import collections
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import board as boards
import payer_commands
import payer_serve
import plans
from plans import KIND_OF, evenly

SOAK = os.environ.get("SB_SOAK") == "1"
KINDS = ("kill", "power cut", "disk full", "sync fails")
KILLS_MIN = 200  # a run of everything has
SIZES = {"kill": (120, 130), "power cut": (70, 60), "disk full": (35, 35), "sync fails": (25, 20)}  # of serve, of commands


class Worker:
    """A process of its own, with what its trials begin with."""
    one = None

    def __init__(self, program, fault, folder):
        self.program, self.fault = program, fault
        self.folder = Path(folder) / f"worker-{os.getpid()}"
        self.house = payer_serve.House(program, self.folder / "house")

        self.known = {}  # of commands: what each gives when it is left alone

    def trial(self, index):
        what = ALL[index]
        make = payer_commands.CommandTrial if isinstance(what, payer_commands.Command) else payer_serve.ServeTrial
        return make(self.program, self.fault, self.folder / "trial", self.house, what)

    def undisturbed(self, index):
        if index not in self.known:
            trial = self.trial(index)
            self.known[index] = payer_commands.Undisturbed(trial)
            trial.close()
        return self.known[index]


ALL = payer_serve.ALL + payer_commands.ALL


def begin_worker(*given):
    os.umask(0o022)
    Worker.one = Worker(*given)


def count_points(index):
    if isinstance(ALL[index], payer_commands.Command):
        return Worker.one.undisturbed(index).trace
    trial = Worker.one.trial(index)
    try:
        return payer_serve.count(trial)
    except (AssertionError, OSError) as problem:
        raise RuntimeError(f"{ALL[index].name}, undisturbed: {problem}\n{trial.text}") from problem
    finally:
        trial.close()


def strike(task):
    """(kind, what happened, text of a broken promise or None)"""
    kind, index, at, how, name = task
    trial = None
    try:
        if isinstance(ALL[index], payer_commands.Command):
            wanted = Worker.one.undisturbed(index)
            trial = Worker.one.trial(index)
            return kind, payer_commands.strike(trial, wanted, at, how), None
        trial = Worker.one.trial(index)
        return kind, payer_serve.strike(trial, at, how), None
    except (AssertionError, OSError, ValueError, payer_serve.Gone, payer_serve.Troubled, subprocess.TimeoutExpired) as problem:
        told = trial.said() if trial else ""
        return kind, "failed", f"{ALL[index].name}: {boards.NAMES[how]} point {at} {name}: {problem!r}\n{told}"
    finally:
        if trial:
            trial.close()


def plan(traces, args):
    """All trials by kind."""
    tasks = collections.defaultdict(list)
    for index, trace in traces.items():
        for at, (call, name) in enumerate(trace, 1):
            hows = [boards.KILL] + [boards.TORN] * (call == "w") + sorted(boards.CUTS)
            hows += [boards.FULL, boards.FULL_ONCE] * (call in boards.TAKES_ROOM)
            hows += [boards.SYNC_FAILS, boards.SYNC_ONCE] * (call == "s")
            for how in hows:
                kind = KIND_OF.get(how, "kill")
                if args.kind in ("", kind) and args.at in (0, at):
                    of = isinstance(ALL[index], payer_commands.Command)
                    tasks[kind, of].append((kind, index, at, how, (call, name)))
    for (kind, of), all_of_it in tasks.items():
        yield from all_of_it if SOAK or args.all else evenly(all_of_it, SIZES[kind][of])


def run(args, folder):
    given = (Path(args.program).resolve(), Path(args.fault).resolve(), folder)
    chosen = [n for n, s in enumerate(ALL) if args.only in s.name]
    counts, planned, failures = collections.Counter(), collections.Counter(), []
    with multiprocessing.Pool(args.jobs, begin_worker, given) as pool:
        traces = dict(zip(chosen, pool.map(count_points, chosen, 1)))
        for n in chosen:
            print(f"{ALL[n].name}: {len(traces[n])} points", flush=True)
        for kind, what, problem in pool.imap_unordered(strike, list(plan(traces, args)), 1):
            planned[kind] += 1
            counts[kind] += what != "not reached"
            counts[what] += 1
            if problem:
                failures.append(problem)
                print("FAILED  " + problem.replace("\n", "\n    "), flush=True)
        pool.close()
        pool.join()
    print(f"crash-payer: {sum(map(len, traces.values()))} points; kills {counts['kill']}, power cuts {counts['power cut']}, "
          f"full disks {counts['disk full']}, failed syncs {counts['sync fails']}; losses {len(failures)}")
    return plans.close(planned, counts, failures, KILLS_MIN if args.only + args.kind == "" and not args.at else 0)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("fault")
    parser.add_argument("--only", default="")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--kind", default="", choices=["", *KINDS])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=2 * len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="smartbulk-crash-", dir=memory if os.access(memory, os.W_OK) else None)
    try:
        return run(args, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
