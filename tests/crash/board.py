# SPDX-License-Identifier: Apache-2.0
"""The file that fault.c (which see) and we both map: what it is to do, and what it saw."""
import mmap
import struct

TRACE_MAX, TRACE_NAME = 8192, 55
HEAD = struct.Struct("<QQQqQ")  # points, at, strike, clock_shift_s, struck
ENTRY = 1 + TRACE_NAME

KILL, TORN, FULL, FULL_ONCE, SYNC_FAILS, SYNC_ONCE = range(1, 7)
NAMES = {KILL: "killed before", TORN: "killed in the middle of", FULL: "disk full from", FULL_ONCE: "disk full at",
         SYNC_FAILS: "sync fails from", SYNC_ONCE: "sync fails at"}
TAKES_ROOM = "wrmc"  # calls that a full disk fails


class Board:
    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as file:
            file.truncate(HEAD.size + ENTRY * TRACE_MAX)
            self.map = mmap.mmap(file.fileno(), 0)

    def set(self, at=0, strike=0, clock_shift_s=0):
        HEAD.pack_into(self.map, 0, 0, at, strike, clock_shift_s, 0)

    @property
    def points(self):
        return HEAD.unpack_from(self.map)[0]

    @property
    def struck(self):
        return HEAD.unpack_from(self.map)[4] > 0

    def trace(self):
        """[(call, name)] of all points of the last run."""
        assert self.points <= TRACE_MAX, "more points than fault.c keeps: raise TRACE_MAX in both"
        entries = (self.map[HEAD.size + n * ENTRY:HEAD.size + (n + 1) * ENTRY] for n in range(self.points))
        return [(chr(e[0]), e[1:].split(b"\0")[0].decode(errors="replace")) for e in entries]

    def close(self):
        self.map.close()
