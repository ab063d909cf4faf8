#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is each of the accidents of accidents.json still kept from happening? Says where, and fails when a test is gone. That the
tests pass is theirs to say."""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def names_in(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return {vector["name"] for vector in json.loads(text)["vectors"]}
    if path.suffix == ".py":
        return set(re.findall(r"^def (test_\w+)\(t\)", text, re.M))
    made = set(re.findall(r"^static void (\w+)\(", text, re.M))
    return {name for name in made if len(re.findall(rf"\b{name}\b", text)) > 1}  # and in the list of those that run


def main():
    accidents = json.loads((ROOT / "tests/accidents.json").read_text(encoding="utf-8"))["accidents"]
    failed = 0
    for accident, tests in accidents.items():
        gone = [f"{file}: {name}" for file, names in tests.items() for name in names
                if not (ROOT / file).is_file() or name not in names_in(ROOT / file)]
        failed += bool(gone)
        print(("FAILED  " if gone else "ok  ") + accident + "".join(f"\n    there is no {one}" for one in gone))
    print(f"{len(accidents) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
