#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is the built program hardened as SECURITY.md says? hardening.py PROGRAM LIBRARY: asks readelf and objdump."""
import platform
import subprocess
import sys


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
        expect(f"{name} is linked before it starts", "BIND_NOW" in dynamic or "NOW" in dynamic)
        expect(f"{name} cannot change its tables afterwards", "GNU_RELRO" in segments)
        stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
        expect(f"{name} runs nothing on its stack", "RWE" not in stack)
        expect(f"{name} needs no text relocation", "TEXTREL" not in dynamic)
        if platform.machine() == "x86_64":  # the mark of the whole is the linker's to set, if libc's start files have it too
            code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
            expect(f"{name} says where calls may land", code.count("endbr64") > 10)
    symbols = readelf("--dyn-syms", library)
    expect("the library watches its stack", "__stack_chk_fail" in symbols)
    expect("the library bounds what libc writes", "_chk" in symbols.replace("__stack_chk_fail", ""))
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1], sys.argv[2]))
