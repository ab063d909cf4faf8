# SPDX-License-Identifier: Apache-2.0
"""The scenarios that are large, each once: what takes a payer a minute to send must cost us no memory at all."""
import gzip
import os
import signal

from faults import Fault
from scenario import Scenario, expect, play_one

MB = 1024 * 1024
PIECE = b"x" * MB


class Heavy(Scenario):
    """Not by seed, but by name; in a folder on a disk."""
    codes = {0}
    options = ()

    def __init__(self, tools, folder, soak):
        self.soak = soak
        super().__init__(f"heavy {type(self).__name__}", tools, folder)

    def compose(self, anew=True):
        self.payer.requires_token, self.payer.elsewhere, self.payer.gzip = True, False, False
        self.payer.per_page = 100
        return [self.fault()]

    def run(self):
        result = self.program("export", self.payer.fhir_url, "--client-id", "client-1", "--key", self.tools.key,
                              "--ca-file", self.tools.ca, "--patients", "--to", self.dir / "out", *self.options)
        expect(result.code in self.codes, f"exit {result.code}, wanted {self.codes}")
        self.check_files(result)
        self.check(result)
        self.check_secrets()

    def check(self, _result):
        pass


class AManifestOfAGigabyte(Heavy):
    """Most of it an extension that nobody asked for."""

    def fault(self):
        size = (1024 if self.soak else 192) * MB

        def act(payer, wire, request):
            body = payer.usual(request).body
            wire.send(b"HTTP/1.1 200 x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" %
                      (len(body) + size + 18))
            wire.send(body[:-1] + b', "extension":["')
            for _ in range(size // MB):
                wire.send(PIECE)
            wire.send(b'"]}')
            wire.end()
        return Fault("a manifest of a gigabyte", "manifest", act, {0})


class AManifestOf200000Files(Heavy):
    """It is read and kept; then the program is told to stop."""
    codes = {7}

    def fault(self):
        def act(payer, _wire, request):
            reply = payer.usual(request)
            item = b'{"type":"ExplanationOfBenefit","url":"%s/files/1/0/%%d","count":1}' % payer.payer.origin.encode()
            head, _, tail = reply.body.partition(b'"output": [')
            reply.body = head + b'"output": [' + b",".join(item % n for n in range(200_000)) + b"]" + tail[tail.index(b"]") + 1:]
            payer.renamed = True
            return reply

        def stop(_payer, wire, _request):
            if self.stop.fired == 1:
                self.process.send_signal(signal.SIGINT)
            wire.stall()
        self.stop = Fault("stop", "file", stop, {7}, words="interrupted")
        return Fault("a manifest of 200,000 files", "manifest", act, {0})

    def compose(self, anew=True):
        return [*super().compose(), self.stop]

    def check(self, result):
        expect("200,000" in result.err or "200000" in result.err, "it did not read the manifest")


class ALineOf256MB(Heavy):
    codes = {6}

    def fault(self):
        self.payer.bad.add(0)

        def act(_payer, wire, _request):
            head, tail = b'{"resourceType":"Patient","a":"', b'"}\n'
            wire.send(b"HTTP/1.1 200 x\r\nContent-Length: %d\r\n\r\n" % (257 * MB + len(head) + len(tail)) + head)
            for _ in range(257):
                wire.send(PIECE)
            wire.send(tail)
            wire.end()
        return Fault("a line of 257 MB", "file", act, {6}, words="longer than", path="/0$")

    def check(self, result):
        expect("bad line" in result.err or "resources" in result.err, "it does not tell of the line")


class ALineOfTheLimit(Heavy):
    """SB_NDJSON_DEFAULT_MAX_LINE to the byte, and good."""

    def fault(self):
        head, tail = b'{"resourceType":"Patient","id":"x","a":"', b'"}'
        content = head + b"x" * (256 * MB - len(head) - len(tail)) + tail + b"\n"
        self.payer.files[0], self.payer.kept[0] = ("Patient", content), content

        def act(_payer, wire, _request):
            wire.send(b"HTTP/1.1 200 x\r\nContent-Length: %d\r\n\r\n" % len(content))
            wire.send(content)
            wire.end()
        return Fault("a line as long as it may be", "file", act, {0}, path="/0$")


class AGzipBomb(Heavy):
    codes = {4, 6}

    def fault(self):
        self.payer.bad.add(0)
        bomb = gzip.compress(b"\0" * (150 * MB), 6)

        def act(payer, _wire, request):
            reply = payer.usual(request).set("Content-Encoding", "gzip")
            reply.body = bomb
            return reply
        return Fault("a gzip bomb", "file", act, {4, 6}, words="gzip|compress", path="/0$")

    def check(self, result):
        log = (self.dir / "out/log.ndjson").read_text()
        expect("gzip" in log or "compress" in log, "it does not tell of the bomb")
        fetched = sum(r.path.endswith("/0") for r in self.payer.requests())
        expect(fetched == 1, f"the bomb was fetched {fetched} times")


ALL = (AManifestOfAGigabyte, AManifestOf200000Files, ALineOf256MB, ALineOfTheLimit, AGzipBomb)


def play(tools, folder, keep):
    """One after the other: (name, as scenario.play)"""
    for kind in ALL:
        yield kind.__name__, play_one(kind(tools, os.path.join(folder, kind.__name__), tools.soak), tools, keep)
