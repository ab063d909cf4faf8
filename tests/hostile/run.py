# SPDX-License-Identifier: Apache-2.0
"""run.py PROGRAM FAST_TIME - seeded scenarios of a payer that does everything wrong, against the built program.

  --count N      so many scenarios (default 300, or SB_HOSTILE; 10,000 with SB_SOAK=1)
  --first SEED   seeds from here on (default 1)
  --seed SEED    this one alone, told at length
  --jobs N       processes (default: one a core); each plays four scenarios at once
  --heavy        the large ones alone; they come last, too, unless --seed or --first is given (or
                 the program is built with AddressSanitizer, which has a fifth of the scenarios alone)
  --keep         leave the folders, and say where

A scenario that fails prints its seed: `run.py PROGRAM FAST_TIME --seed SEED` plays it again. The line that begins with
"hostile:" has the figures: scenarios, faults injected, runs of the program, losses."""
import argparse
import collections
import concurrent.futures
import itertools
import multiprocessing
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from certs import Certificates  # noqa: E402  (the end-to-end tests' own)
from hosts import server_context  # noqa: E402
import heavy  # noqa: E402
import scenario  # noqa: E402

USUAL, SOAK = 300, 10_000
AT_ONCE = 4                     # scenarios a process: the program mostly waits
MEMORY = Path("/dev/shm")       # where files need no disk
MEMORY_MIN = 256 * 1024 * 1024  # what must be free there


def sanitizer_library():
    """It wants to stand before everything else."""
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    return Path(found.stdout.strip()).resolve()


class Tools:
    def __init__(self, args):
        self.program, self.fast_time = Path(args.program).resolve(), Path(args.fast_time).resolve()
        self.sanitized = b"__asan_init" in self.program.read_bytes()
        self.preload = f"{sanitizer_library() if self.sanitized else ''} {self.fast_time}".strip()
        self.tell, self.soak = args.seed is not None, bool(os.environ.get("SB_SOAK"))

    def furnish(self, folder, certificates):
        self.ca, self.key, self.certificates = certificates.ca, Path(folder) / "client.jwk", certificates
        subprocess.run([self.program, "key", "new", "-o", self.key], check=True, capture_output=True)

    def open(self):
        """In each process: contexts cannot be passed on."""
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old TLS: that it is spoken at all is the test
        c = self.certificates
        self.contexts = {"good": server_context(c.good), "expired": server_context(c.expired),
                         "stranger": server_context(c.stranger), "another host": server_context(c.another_host),
                         "not yet": server_context(c.not_yet), "old": server_context(c.good),
                         "client certificate": server_context(c.good, verify_mode=ssl.CERT_REQUIRED)}
        self.contexts["old"].set_ciphers("DEFAULT@SECLEVEL=0")
        self.contexts["old"].minimum_version = ssl.TLSVersion.TLSv1
        self.contexts["old"].maximum_version = ssl.TLSVersion.TLSv1_1


def new_folder():
    try:
        if shutil.disk_usage(MEMORY).free >= MEMORY_MIN:
            return tempfile.mkdtemp(prefix="smartbulk-hostile-", dir=MEMORY)
    except OSError:
        pass
    return tempfile.mkdtemp(prefix="smartbulk-hostile-")


def work(tools, folder, keep, seeds, results):
    tools.open()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(scenario.play, seed, tools, Path(folder) / f"s{seed}", keep): seed for seed in seeds}
        for done in concurrent.futures.as_completed(running):
            try:
                results.put((running[done], *done.result()))
            except Exception as e:  # whatever it is, it is this scenario's failure
                import traceback
                results.put((running[done], f"the scenario itself failed: {traceback.format_exc()}", 0, 0, [], 0))


def test_words(tools, folder):
    """Before all else, for what follows leans on it: a test of the tests, counted as one."""
    tools.open()
    wrong = scenario.play_words(tools, folder)
    if wrong:
        print(f"FAILED words: {wrong}\n", flush=True)
    return wrong


def heavy_results(tools):
    """On a disk, for they are large; after the others, for they are measured."""
    folder = tempfile.mkdtemp(prefix="smartbulk-hostile-")
    tools.open()
    for name, result in heavy.play(tools, folder, False):
        yield (name, *result)
    shutil.rmtree(folder, ignore_errors=True)


def main():
    soak = bool(os.environ.get("SB_SOAK"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("fast_time")
    parser.add_argument("--count", type=int, default=int(os.environ.get("SB_HOSTILE") or (SOAK if soak else USUAL)))
    parser.add_argument("--first", type=int)
    parser.add_argument("--heavy", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    tools = Tools(args)
    first, large = args.first or 1, args.seed is None and not args.first and not tools.sanitized
    if tools.sanitized:
        args.count //= 5  # each takes five times as long, and what it looks for is not a matter of luck alone
    seeds = [args.seed] if args.seed is not None else [] if args.heavy else list(range(first, first + args.count))
    folder = new_folder()
    certificates = Certificates(Path(folder) / "certificates")
    tools.furnish(folder, certificates)
    results, began, jobs = multiprocessing.Queue(), time.monotonic(), max(1, min(args.jobs, len(seeds)))
    workers = [multiprocessing.Process(target=work, args=(tools, folder, args.keep, seeds[n::jobs], results), daemon=True)
               for n in range(jobs)]
    for worker in workers:
        worker.start()
    n_faults = played = 0
    words_wrong = test_words(tools, folder)
    codes = collections.Counter()
    lost, skipped, slowest = ["words"] if words_wrong else [], 0.0, (0, "")
    for seed, wrong, fired, hours, ended, took in itertools.chain((results.get() for _ in seeds),
                                                              heavy_results(tools) if large else ()):
        n_faults, played, skipped, slowest = n_faults + fired, played + 1, skipped + hours, max(slowest, (took, str(seed)))
        codes.update(ended)
        if wrong:
            print(f"FAILED seed {seed}: {wrong}\n", flush=True)
            lost.append(seed)
    for worker in workers:
        worker.join()
    if args.keep:
        print(f"folders are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    if lost:
        print(f"failed seeds: {' '.join(map(str, sorted(lost, key=str)))}")
    print(f"hostile: {played} scenarios, {n_faults} faults injected, {codes.total()} runs, {len(lost)} losses; "
          f"they ended {', '.join(f'{code}: {n}' for code, n in sorted(codes.items(), key=str))}; "
          f"{skipped:.1f} hours of waiting in {time.monotonic() - began:.0f} s, slowest {slowest[0]:.1f} s "
          f"(seed {slowest[1]})")
    print(f"{played + 1 - len(lost)} passed, {len(lost)} failed")
    return 1 if lost else 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
