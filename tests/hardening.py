#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is the built program hardened as SECURITY.md says? hardening.py PROGRAM LIBRARY: asks readelf and objdump of both, and
compile_commands.json, which lies beside the program, how each source was compiled: levels leave no mark that can be told
apart."""
import json
import platform
import subprocess
import sys
from pathlib import Path

FLAGS = ("-D_FORTIFY_SOURCE=3", "-O2", "-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection")


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args], capture_output=True, text=True, check=True).stdout


def main(program, library):
    count = failed = 0

    def expect(sentence, true):
        nonlocal count, failed
        count, failed = count + 1, failed + (not true)
        print(("ok  " if true else "FAILED  ") + sentence)

    for path in (program, library):
        name, dynamic, segments = path.split("/")[-1], readelf("-d", path), readelf("-l", path)
        expect(f"{name} may lie anywhere in memory", "DYN" in readelf("-h", path))
        expect(f"{name} is linked before it starts", "NOW" in dynamic)  # BIND_NOW, or FLAGS_1 NOW
        expect(f"{name} cannot change its tables afterwards", "GNU_RELRO" in segments)
        stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
        expect(f"{name} runs nothing on its stack", "RWE" not in stack)
        expect(f"{name} needs no text relocation", "TEXTREL" not in dynamic)
        if platform.machine() == "x86_64":  # the mark of the whole is the linker's to set, if libc's start files have it too
            code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
            expect(f"{name} says where calls may land", code.count("endbr64") > 10)
        symbols = readelf("--dyn-syms", path)
        expect(f"{name} watches its stack", "__stack_chk_fail" in symbols)
        expect(f"{name} bounds what libc writes", "_chk" in symbols.replace("__stack_chk_fail", ""))
    commands = json.loads((Path(program).parent / "compile_commands.json").read_text(encoding="utf-8"))
    sources = [c for c in commands if "/src/" in c["file"] and c["file"].endswith(".c")]
    plain = [c["file"] for c in sources for flag in FLAGS if flag not in c["command"].split()]
    expect(f"all {len(sources)} sources are compiled with {' '.join(FLAGS)}" + "".join(f"\n    not {f}" for f in plain),
           sources and not plain)
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1], sys.argv[2]))
