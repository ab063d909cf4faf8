# SPDX-License-Identifier: Apache-2.0
"""An export that is killed, stopped or refused for a while goes on where it was: same bytes, nothing fetched twice."""
import contextlib
import signal
import sqlite3

import data
from context import wait_until
from payer import Reply, as_json, outcome

STATUS, FILES = r"/fhir/status/\d+", r"/files/.*"


def in_place(t):
    return set(t.received())


def resume_and_compare(t, payer, code=0):
    t.run("resume", t.dir / "out", code=code)
    t.expect_files(payer.files)
    t.run("verify", t.dir / "out")


def fetched(payer):
    return [r.path for r in payer.seen("GET", FILES)]


def test_killed_while_the_kickoff_is_unanswered_it_kicks_off_again(t):
    payer = t.payer(data.files())
    hold = payer.hold("GET|POST", r".*\$export")
    process = t.start_export(payer)
    hold.wait_arrived()
    process.kill()
    hold.open()
    resume_and_compare(t, payer)
    assert len(set(fetched(payer))) == len(fetched(payer)), "a file was fetched twice"


def test_killed_while_it_waits_for_the_payer_it_polls_the_same_job(t):
    payer = t.payer(data.files())
    payer.polls_before_done = 2
    process = t.start_export(payer)
    payer.wait_seen("GET", STATUS)
    process.kill()
    resume_and_compare(t, payer)
    assert len(payer.jobs) == 1, "it kicked off again"


def test_killed_in_the_middle_of_the_manifest_it_reads_it_again(t):
    payer = t.payer(data.files(claim_files=30))

    def half(r):
        whole = payer.give_status(1)
        return Reply(200, whole.body[:len(whole.body) // 2], whole.headers, promise=len(whole.body))
    hold = payer.hold("GET", STATUS)
    payer.when("GET", STATUS, half, times=1)
    process = t.start_export(payer)
    hold.wait_arrived()
    process.kill()
    hold.open()
    resume_and_compare(t, payer)
    assert len(payer.jobs) == 1, "it kicked off again"
    assert len(set(fetched(payer))) == len(fetched(payer)), "a file was fetched twice"


def test_killed_in_the_middle_of_the_downloads_it_fetches_only_what_is_missing(t):
    payer = t.payer(data.files(claim_files=20))
    holds = [payer.hold("GET", rf"/files/1/0/output/{n}") for n in range(9, 22)]
    process = t.start_export(payer, "--connections", "4")
    wait_until(lambda: len(in_place(t)) >= 9, "nine files in their place")
    process.kill()
    done_before, before = in_place(t), len(fetched(payer))
    for hold in holds:
        hold.open()
    resume_and_compare(t, payer)
    again = fetched(payer)[before:]
    assert len(again) == len(set(again)) == 22 - len(done_before), f"fetched after the kill: {again}"


def as_the_first_version_made_it(journal):
    with contextlib.closing(sqlite3.connect(journal)) as db, db:
        for table, index in (("files", "files_item"), ("incoming", "incoming_item")):
            db.execute(f"DROP INDEX {index}")
            db.execute(f"ALTER TABLE {table} DROP COLUMN item_hash")
        db.execute("PRAGMA user_version = 1")


def test_what_an_older_version_began_is_gone_on_with_and_what_it_ended_is_verified(t):
    payer = t.payer(data.files(claim_files=20))
    holds = [payer.hold("GET", rf"/files/1/0/output/{n}") for n in range(9, 22)]
    process = t.start_export(payer, "--connections", "4")
    wait_until(lambda: len(in_place(t)) >= 9, "nine files in their place")
    process.kill()
    for hold in holds:
        hold.open()
    journal = t.dir / "out/.smartbulk/journal.db"
    as_the_first_version_made_it(journal)
    resume_and_compare(t, payer)
    as_the_first_version_made_it(journal)
    t.run("verify", t.dir / "out")
    t.run("status", t.dir / "out")


def test_killed_in_the_middle_of_a_file_it_leaves_no_half_file_in_place(t):
    whole = data.files(patients=200, claims=20)
    payer = t.payer(whole)
    content = whole[2][1]

    def half(_request):
        return Reply(200, content[:len(content) // 2], {"Content-Type": "application/fhir+ndjson"},
                     promise=len(content))
    hold = payer.hold("GET", r"/files/1/0/output/2")
    payer.when("GET", r"/files/1/0/output/2", half, times=1)
    process = t.start_export(payer)
    hold.wait_arrived()  # the second try, after the half
    process.kill()
    for name, received in t.received().items():
        kind, n = name.split(".")[0], int(name.split(".")[1])
        assert received == [c for k, c in whole if k == kind][n], f"{name} is not whole"
    hold.open()
    resume_and_compare(t, payer)


def test_killed_after_the_last_file_it_fetches_nothing_and_deletes_the_job(t):
    payer = t.payer(data.files())
    hold = payer.hold("DELETE", STATUS, times=1)
    process = t.start_export(payer)
    hold.wait_arrived()
    process.kill()
    hold.open()
    before = len(fetched(payer))
    resume_and_compare(t, payer)
    assert len(fetched(payer)) == before, "a file was fetched twice"
    assert payer.removed == {1}


def test_interrupted_from_the_keyboard_it_exits_7_and_can_be_resumed(t):
    payer = t.payer(data.files(claim_files=10))
    hold = payer.hold("GET", r"/files/1/0/output/5")
    process = t.start_export(payer, "--connections", "2")
    hold.wait_arrived()
    process.signal(signal.SIGINT)
    result = process.wait()
    assert result.code == 7, result
    assert "resume" in result.err, "it does not say how to go on"
    hold.open()
    resume_and_compare(t, payer)
    assert len(payer.jobs) == 1, "it kicked off again"


def test_terminated_while_it_waits_it_exits_7_and_can_be_resumed(t):
    payer = t.payer(data.files())
    payer.polls_before_done = 1
    process = t.start_export(payer)
    payer.wait_seen("GET", STATUS)
    process.signal(signal.SIGTERM)
    assert process.wait().code == 7
    resume_and_compare(t, payer)


def test_expired_file_urls_are_asked_for_again(t):
    payer = t.payer(data.files(claim_files=12))

    def expire(_request):
        payer.manifest_version = 1
    payer.when("GET", r"/files/1/0/output/4", expire, times=1)
    t.export(payer, "--connections", "1")
    t.expect_files(payer.files)
    assert len(payer.seen("GET", STATUS)) == 2, "the manifest was not asked for a second time"
    given = [r.path.rpartition("/")[2] for r in payer.seen("GET", r"/files/1/./output/.*")]
    assert all(given.count(str(n)) == 1 for n in range(4)), f"what was there was fetched again: {given}"


def test_files_that_change_places_with_their_urls_are_never_called_complete(t):
    payer = t.payer([("Patient", data.patient(n)) for n in range(4)])
    payer.counts, honest = None, payer.manifest

    def in_another_order(job):
        manifest = honest(job)
        return {**manifest, "output": manifest["output"][::-1] if payer.manifest_version else manifest["output"]}

    def expire(_request):
        payer.manifest_version = 1
    payer.manifest = in_another_order
    payer.when("GET", r"/files/1/0/output/2", expire, times=1)
    result = t.export(payer, "--connections", "1", code=4)
    assert "a file came twice" in result.err, result
    assert not payer.seen("DELETE", STATUS), "what is missing was deleted at the payer"
    t.run("verify", t.dir / "out", code=2)


def test_a_server_that_stumbles_is_asked_again(t):
    payer = t.payer(data.files())
    busy = {"Retry-After": "0"}
    payer.when("POST", "/token", lambda r: Reply(503, "busy", busy), times=1)
    payer.when("GET", STATUS, lambda r: outcome(429, "throttled", "slower", {"Retry-After": "1"}), times=1)
    payer.when("GET", STATUS, lambda r: outcome(500, "transient", "a database nods", {"Retry-After": "1"}), times=1)
    payer.when("GET", r"/files/1/0/output/1", lambda r: Reply(503, "busy", busy), times=1)
    payer.when("GET", r"/files/1/0/output/2", lambda r: Reply(200, b"{", promise=1000), times=1)
    t.export(payer)
    t.expect_files(payer.files)


def test_a_job_that_failed_at_the_payer_is_no_success(t):
    payer = t.payer(data.files())
    payer.when("GET", STATUS, lambda r: outcome(500, "exception-that-lasts", "the job died"))
    result = t.export(payer, code=4)
    assert "the job died" in result.err, result


def test_a_manifest_of_several_pages_is_read_to_its_end(t):
    payer = t.payer(data.files(claim_files=6))

    def page(number):
        whole = payer.manifest(1)
        files = whole["output"]
        whole["output"] = files[number * 3:number * 3 + 3]
        if number < 2:
            whole["link"] = [{"relation": "next", "url": f"{payer.fhir_url}/status/1/page{number + 1}"}]
        return as_json(200, whole)
    payer.when("GET", STATUS, lambda r: page(0))
    payer.when("GET", r"/fhir/status/1/page1", lambda r: page(1))
    payer.when("GET", r"/fhir/status/1/page2", lambda r: page(2))
    t.export(payer)
    t.expect_files(payer.files)


def peak_memory(process):
    """In KB, so far."""
    with open(f"/proc/{process.popen.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def test_memory_does_not_grow_with_the_data(t):
    if b"libasan.so" in t.program.read_bytes():
        t.skip("AddressSanitizer keeps what was freed: memory tells nothing")
    peaks = []
    for n, (patients, line) in enumerate(((10, 1000), (20000, 30 << 20))):
        files = data.files(patients=patients, claim_files=4)
        files[2] = (files[2][0], data.claim(1, 1).replace(b"x" * 400, b"x" * line))
        payer = t.payer(files)
        hold = payer.hold("DELETE", STATUS, times=1)
        process = t.start_export(payer, to=f"out{n}")
        hold.wait_arrived()
        peaks.append(peak_memory(process))
        hold.open()
        assert process.wait().code == 0
    assert peaks[1] < peaks[0] + 16 * 1024, f"{peaks} KB for a few KB and for 100 MB"
