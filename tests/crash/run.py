#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py PROGRAM FAULT_SO - the crash matrix: an export is struck at every point where it changes what is on disk.

  --only TEXT      scenarios and commands whose name holds it
  --kind KIND      "kill", "kill again" (and once more while it goes on), "power cut" (cut.h), "disk full", "sync fails",
                   "clock" (set a day back or forward between kill and resume, or in the middle of a run)
  --all            every one, not a kill at every point and so many of the other kinds, evenly chosen
  --at N           this point alone
  --jobs N         so many at a time (default: two for each processor, for some wait)

The points are enumerated by a run that only counts (fault.c). Each trial is an export that is struck at one of them, then
resumed; it must end as if nothing had happened, with no finished file fetched again and nothing left over. SB_SOAK=1 is
the long form. The last lines are the figures and "N passed, N failed"."""
import argparse
import collections
import itertools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import board as boards
import commands
import plans
import scenarios
from plans import KIND_OF, evenly
from trial import DAY_S, Fault, Trial, Undisturbed, go_through

SOAK = os.environ.get("SB_SOAK") == "1"


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


def count_command(index):
    trial = Worker.one.trial(scenarios.ALL[0])
    try:
        return commands.count(trial, commands.ALL[index])
    finally:
        trial.close()


def strike_command(task):
    """As strike()"""
    kind, index, at, how = task
    command, trial = commands.ALL[index], Worker.one.trial(scenarios.ALL[0])
    try:
        return kind, commands.strike(trial, command, at, how), None
    except (Fault, OSError, ValueError, subprocess.TimeoutExpired) as problem:
        return kind, "failed", f"{command.name}: {boards.NAMES[how]} point {at}: {problem}\n{trial.text}"
    finally:
        trial.close()


def strike(task):
    """(kind, what happened, text of a broken promise or None)"""
    kind, index, strikes, end_shift_s = task
    scenario = scenarios.ALL[index]
    undisturbed = Worker.one.undisturbed(scenario)
    trial = Worker.one.trial(scenario)
    try:
        return kind, go_through(trial, undisturbed, strikes, end_shift_s), None
    except (Fault, OSError, ValueError, subprocess.TimeoutExpired) as problem:
        told = ", ".join(f"{boards.NAMES[how]} point {at} {undisturbed.trace[min(at, len(undisturbed.trace)) - 1]}"
                         for at, how, _shift in strikes)
        return kind, "failed", f"{scenario.name}, {kind}: {told}: {problem}\n{trial.text}"
    finally:
        trial.close()


# How many of each kind a short run has; it kills at every point all the same.
KILLS_MIN = 500  # a run of everything has
SIZES = {"kill": 60, "kill again": 30, "power cut": 60, "disk full": 60, "sync fails": 40, "clock": 64}


def plan(kind, index, trace, only_at):
    """All trials of this kind: (what is alike, (kind, scenario, [(point, strike, clock shift)], clock shift at the end))"""
    for at, (call, _name) in enumerate(trace, 1):
        hows = {"kill": [boards.KILL] + [boards.TORN] * (call == "w"),
                "kill again": [boards.KILL],
                "power cut": sorted(boards.CUTS),
                "disk full": [boards.FULL, boards.FULL_ONCE] * (call in boards.TAKES_ROOM),
                "sync fails": [boards.SYNC_FAILS, boards.SYNC_ONCE] * (call == "s"),
                "clock": [boards.KILL, boards.CLOCK]}[kind]
        for how, day in itertools.product(hows, (DAY_S, -DAY_S) if kind == "clock" else (0,)):
            if only_at and at != only_at:
                continue
            strikes = [(at, how, day if how == boards.CLOCK else 0)]
            if kind == "kill again":
                left = max(len(trace) - at, 20)  # to do, about
                strikes.append((at * 7919 % left + 1, boards.KILL, 0))
            yield (call, how, day), (kind, index, strikes, day)


def thinned(kind, tasks, size):
    """Evenly of those that are alike, and some of each: all calls see all strikes, and the clock both ways."""
    groups = collections.defaultdict(list)
    for alike, task in tasks:
        groups[alike].append(task)
    share = size / len(tasks) if tasks else 0
    for (_call, how, _day), group in groups.items():
        whole = kind == "kill" and how == boards.KILL
        yield from group if whole else evenly(group, max(2, round(share * len(group))))


def plan_commands(traces, args):
    for index, trace in traces.items():
        for at, (call, _name) in enumerate(trace, 1):
            hows = [boards.KILL] + [boards.TORN] * (call == "w") + [boards.CUT_ALL]
            hows += [boards.FULL, boards.FULL_ONCE] * (call in boards.TAKES_ROOM)
            hows += [boards.SYNC_FAILS, boards.SYNC_ONCE] * (call == "s")
            yield from ((KIND_OF.get(how, "kill"), index, at, how) for how in hows if not args.at or at == args.at)


def plan_all(traces, args):
    for kind, size in SIZES.items():
        if args.kind in ("", kind):
            tasks = [task for index, trace in traces.items() for task in plan(kind, index, trace, args.at)]
            yield from (task for _alike, task in tasks) if SOAK or args.all else thinned(kind, tasks, size)


def run(args, folder):
    key = Path(folder) / "key.jwk"
    subprocess.run([args.program, "key", "new", "-o", key], check=True, capture_output=True)
    given = (Path(args.program).resolve(), Path(args.fault).resolve(), key, folder)
    chosen = [n for n, s in enumerate(scenarios.ALL) if args.only in s.name]
    counts, planned, failures = collections.Counter(), collections.Counter(), []
    with multiprocessing.Pool(args.jobs, begin_worker, given) as pool:
        traces = dict(zip(chosen, pool.map(count_points, chosen, 1)))
        for n in chosen:
            print(f"{scenarios.ALL[n].name}: {len(traces[n])} points", flush=True)
        others = [n for n, c in enumerate(commands.ALL) if args.only in c.name and not args.kind]
        other_traces = dict(zip(others, pool.map(count_command, others, 1)))
        for n in others:
            print(f"{commands.ALL[n].name}: {len(other_traces[n])} points", flush=True)
        done = itertools.chain(pool.imap_unordered(strike, list(plan_all(traces, args)), 1),
                               pool.imap_unordered(strike_command, list(plan_commands(other_traces, args)), 1))
        for kind, what, problem in done:
            planned[kind] += 1
            counts[kind] += what != "not reached"
            counts[what] += 1
            if problem:
                failures.append(problem)
                print("FAILED  " + problem.replace("\n", "\n    "), flush=True)
        pool.close()
        pool.join()
    points = sum(map(len, [*traces.values(), *other_traces.values()]))
    print(f"crash: {points} points; kills {counts['kill']}, again while going on {counts['kill again']}, "
          f"power cuts {counts['power cut']}, full disks {counts['disk full']}, failed syncs {counts['sync fails']}, "
          f"clocks set {counts['clock']}; second kick-offs (the first's answer was not on disk yet) "
          f"{counts['second kick-off']}; losses {len(failures)}")
    return plans.close(planned, counts, failures, KILLS_MIN if args.only + args.kind == "" and not args.at else 0)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("fault")
    parser.add_argument("--only", default="")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--kind", default="", choices=["", *SIZES])
    parser.add_argument("--all", action="store_true")
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
