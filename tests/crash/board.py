# SPDX-License-Identifier: Apache-2.0
"""The file that fault.c (which see) and we both map: what it is to do, and what it saw."""
import mmap
import struct

TRACE_MAX, TRACE_NAME = 8192, 55
HEAD = struct.Struct("<QQQqQQ")  # points, at, strike, clock_shift_s, boots, struck
ENTRY = 1 + TRACE_NAME

NONE, KILL, TORN, FULL, FULL_ONCE, SYNC_FAILS, SYNC_ONCE, CLOCK, CUT_BYTES, CUT_NAMES, CUT_ALL = range(11)
NAMES = {KILL: "killed before", TORN: "killed in the middle of", FULL: "disk full from", FULL_ONCE: "disk full at",
         SYNC_FAILS: "sync fails from", SYNC_ONCE: "sync fails at", CLOCK: "clock set at",
         CUT_BYTES: "power cut (names stay) before", CUT_NAMES: "power cut (bytes stay) before",
         CUT_ALL: "power cut before"}
DEADLY, CUTS = {KILL, TORN, CUT_BYTES, CUT_NAMES, CUT_ALL}, {CUT_BYTES, CUT_NAMES, CUT_ALL}
TAKES_ROOM = "wrmc"  # calls that a full disk fails


class Board:
    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as file:
            file.truncate(HEAD.size + ENTRY * TRACE_MAX)
            self.map = mmap.mmap(file.fileno(), 0)

    def set(self, at=0, strike=NONE, clock_shift_s=0, boots=0):
        HEAD.pack_into(self.map, 0, 0, at, strike, clock_shift_s, boots, 0)

    def lift(self):
        """There is room again, and the disk is well: while the program runs."""
        struct.pack_into("<Q", self.map, 16, NONE)

    @property
    def points(self):
        return HEAD.unpack_from(self.map)[0]

    @property
    def struck(self):
        return HEAD.unpack_from(self.map)[5] > 0

    def trace(self):
        """[(call, name)] of all points of the last run."""
        assert self.points <= TRACE_MAX, "more points than fault.c keeps: raise TRACE_MAX in both"
        entries = (self.map[HEAD.size + n * ENTRY:HEAD.size + (n + 1) * ENTRY] for n in range(self.points))
        return [(chr(e[0]), e[1:].split(b"\0")[0].decode(errors="replace")) for e in entries]

    def close(self):
        self.map.close()
