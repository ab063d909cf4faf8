# SPDX-License-Identifier: Apache-2.0
"""run.py PROGRAM MODULE... - run the end-to-end tests of these modules (all: test_*.py) with the built program.

  --only TEXT      those whose name holds it
  --keep           leave the tests' folders, and say where
  --jobs N         so many at a time (default 4)

A test is a function test_… that takes a Context; its name is the promise. The last line is "N passed, N failed"."""
import argparse
import concurrent.futures
import importlib
import os
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from certs import Certificates
from context import Context, Skip

HERE = Path(__file__).resolve().parent


def tests_of(modules, only):
    for name in modules or sorted(p.stem for p in HERE.glob("test_*.py")):
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            if key.startswith("test_") and callable(value) and only in key:
                yield key, value


def run_test(name, function, args, certificates, folder):
    """"ok", "skipped: why" or a trace."""
    t = Context(Path(args.program).resolve(), certificates, Path(folder) / name[:60], HERE.parent.parent)
    try:
        try:
            function(t)
        finally:
            t.finish()
        t.search_secrets()
        verdict = "ok"
    except Skip as reason:
        verdict = f"skipped: {reason}"
    except Exception:  # whatever it is, it is this test's failure
        verdict = traceback.format_exc(limit=-4)
    if not args.keep:
        t.remove()
    return verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--jobs", type=int, default=4)
    args = parser.parse_intermixed_args()
    folder = tempfile.mkdtemp(prefix="smartbulk-e2e-")
    certificates = Certificates(Path(folder) / "certificates")
    passed = failed = skipped = 0
    printing = threading.Lock()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        running = {pool.submit(run_test, name, function, args, certificates, folder): name
                   for name, function in tests_of(args.modules, args.only)}
        for done in concurrent.futures.as_completed(running):
            sentence, verdict = running[done].removeprefix("test_").replace("_", " "), done.result()
            with printing:
                word = verdict if verdict == "ok" else "skipped" if verdict.startswith("skipped: ") else "FAILED"
                print(f"{word}  {sentence}", flush=True)
                if verdict != "ok":
                    print("    " + verdict.strip().replace("\n", "\n    "), flush=True)
            passed += verdict == "ok"
            skipped += verdict.startswith("skipped: ")
            failed += verdict != "ok" and not verdict.startswith("skipped: ")
    if args.keep:
        print(f"folders are kept in {folder}")
    else:
        Context.remove_tree(folder)
    if skipped:
        print(f"({skipped} skipped: each says why above)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


os.umask(0o077)
sys.exit(main())
