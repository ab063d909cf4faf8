# SPDX-License-Identifier: Apache-2.0
"""Small exports that between them go through every place where the program changes what is on disk."""
import http.server
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
import data
from payer import Handler, Payer, Reply, as_json


class PlainHandler(Handler):
    disable_nagle_algorithm = True  # head and body are two writes


class PlainServer(http.server.ThreadingHTTPServer):
    """Plain http on loopback, one for many trials, so that their URLs are the same: `owner` is the trial's payer."""
    daemon_threads, request_queue_size, owner = True, 128, None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), PlainHandler)

    def handle_error(self, request, client_address):
        pass  # a client that was killed

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class CrashPayer(Payer):
    """Also keeps how many points the program had gone through when it asked; `board` tells."""

    def __init__(self, server, board, files):
        super().__init__(None, files, server=server)
        self.board = board
        server.owner = self

    def answer(self, request, server):
        request.point = self.board.points
        return super().answer(request, server)

    def fetched(self):
        return [re.sub(r"^/files/\d+/\d+/", "", r.path) for r in self.seen("GET", r"/files/.*")]


def paged(payer):
    """The manifest in two pages."""
    def page(number):
        def give(request):
            job = int(request.path.split("/")[3])
            whole = payer.manifest(job)
            half = (len(whole["output"]) + 1) // 2
            if number == 0:
                whole["output"], whole["link"] = whole["output"][:half], [
                    {"relation": "next", "url": f"{payer.fhir_url}/status/{job}/more"}]
            else:
                whole["output"], whole["deleted"] = whole["output"][half:], []
            return as_json(200, whole, {"Expires": "Thu, 01 Dec 2044 16:00:00 GMT"})
        return give
    payer.when("GET", r"/fhir/status/\d+", page(0))
    payer.when("GET", r"/fhir/status/\d+/more", page(1))


class Scenario:
    name, options, code = "", (), 0

    def files(self):
        return data.files(patients=2, claim_files=2, claims=2)

    def set_up(self, payer):
        pass


class Pages(Scenario):
    """Two pages, the second known only after the first; a deleted list; an empty file."""
    name, options = "two pages", ("--connections", "1")

    def files(self):
        return super().files() + [("Coverage", b"")]

    def set_up(self, payer):
        bundle = {"resourceType": "Bundle", "type": "transaction",
                  "entry": [{"request": {"method": "DELETE", "url": "Patient/p9"}}]}
        payer.deleted = [("Bundle", data.line(bundle))]
        paged(payer)


class BadLine(Scenario):
    """gzip, and a line that is no JSON: the file goes to rejected/, with its list."""
    name, options, code = "gzip and a bad line", ("--connections", "1"), 6

    def files(self):
        files = super().files()
        files[2] = (files[2][0], files[2][1] + b'{"resourceType":"Patient",\n')
        return files

    def set_up(self, payer):
        payer.gzip = True


class Broken(Scenario):
    """A transfer that breaks off and is gone on with (Range), and URLs that expire half-way."""
    name, options = "broken off and expired", ("--connections", "1")

    def files(self):
        files = data.files(patients=20, claim_files=2, claims=20)
        return files

    def set_up(self, payer):
        content, etag = payer.files[2][1], '"v1"'

        def half(_request):
            return Reply(200, content[:len(content) // 2], {"Content-Type": "application/fhir+ndjson", "ETag": etag},
                         promise=len(content))

        def rest(request):
            start = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
            if not start or request.headers.get("If-Range") != etag:
                return None
            at = int(start[1])
            return Reply(206, content[at:], {"Content-Type": "application/fhir+ndjson", "ETag": etag,
                                             "Content-Range": f"bytes {at}-{len(content) - 1}/{len(content)}"})

        def expire(_request):
            payer.manifest_version = 1
        payer.when("GET", r"/files/\d+/\d+/output/2", rest)
        payer.when("GET", r"/files/\d+/\d+/output/2", half, times=1)
        payer.when("GET", r"/files/\d+/0/output/3", expire, times=1)


class Many(Scenario):
    """Four at a time, so that files are committed in groups and threads meet."""
    name, options = "four at a time", ("--connections", "4")

    def files(self):
        return data.files(patients=2, claim_files=8, claims=2)


ALL = [Pages(), BadLine(), Broken(), Many()]
