# SPDX-License-Identifier: Apache-2.0
"""What can be wrong at our end or theirs: the right exit code, a message with a fix, nothing lost or half-written."""
import json
import os
import resource
import shutil
import socket
import subprocess

import data
from payer import Reply, as_json, outcome

STATUS, FILES = r"/fhir/status/\d+", r"/files/.*"


def expect_message(result, *words):
    for part in ("smartbulk: ", "  why: ", "  fix: "):
        assert part in result.err, f"no {part!r} in the message\n{result}"
    for word in words:
        assert word in result.err, f"no {word!r} in the message\n{result}"


def nothing_received(t, to="out"):
    assert not t.received(to), f"files that should not be there: {list(t.received(to))}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# who we are and whom we ask

def test_an_address_where_nobody_listens_is_a_network_failure(t):
    t.key()
    result = t.run("export", f"https://127.0.0.1:{free_port()}/fhir", "--client-id", "x", "--key",
                   t.dir / "keys/acme.jwk", "--patients", "--to", t.dir / "out", code=5)
    expect_message(result, "127.0.0.1")


def test_an_address_that_is_no_fhir_server_is_explained(t):
    payer = t.payer(data.files())
    args = t.client(payer)
    args[0] = f"{payer.server.origin}/wrong"
    result = t.run("export", *args, "--patients", "--to", t.dir / "out", code=4)
    expect_message(result, "fhir_url")


def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(t):
    t.key()
    result = t.run("export", "http://payer.example/fhir", "--client-id", "x", "--key", t.dir / "keys/acme.jwk",
                   "--patients", "--to", t.dir / "out", code=2)
    expect_message(result, "https")


def test_a_payer_that_refuses_our_client_is_explained(t):
    payer = t.payer(data.files())
    payer.when("POST", "/token", lambda r: as_json(401, {"error": "invalid_client"}))
    result = t.export(payer, code=3)
    expect_message(result, "invalid_client", "client id")
    assert len(payer.seen("POST", "/token")) == 1, "a refusal was asked for again"


def test_a_clock_that_is_wrong_is_named_with_its_size(t):
    payer = t.payer(data.files())
    late = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    payer.when("POST", "/token", lambda r: as_json(401, {"error": "invalid_client"}, late))
    result = t.export(payer, code=3)
    expect_message(result, "clock", "ahead")


def test_a_wrong_scope_prefix_is_told_before_the_payer_has_to(t):
    payer = t.payer(data.files())
    result = t.export(payer, "--scope", "patient/Patient.rs", code=2)
    expect_message(result, "system/Patient.rs")
    assert not payer.seen("POST", "/token")


def test_a_key_that_others_can_read_is_refused(t):
    payer = t.payer(data.files())
    key = t.key()
    key.chmod(0o644)
    result = t.export(payer, code=2)
    expect_message(result, "chmod")


def test_a_key_that_is_not_there_is_refused(t):
    payer = t.payer(data.files())
    result = t.run("export", payer.fhir_url, "--client-id", "x", "--key", t.dir / "keys/none.jwk", "--patients",
                   "--to", t.dir / "out", "--ca-file", t.certificates.ca, code=2)
    expect_message(result, "none.jwk")


def test_a_new_key_is_never_written_over_another(t):
    key = t.key()
    before = key.read_bytes()
    t.run("key", "new", "-o", key, code=2)
    assert key.read_bytes() == before
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_expired_certificate_is_explained(t):
    payer = t.payer(data.files(), certificate=t.certificates.expired)
    result = t.export(payer, code=5)
    expect_message(result, "expired")
    assert not payer.requests, "something was sent all the same"


def test_a_certificate_that_nobody_vouches_for_is_explained(t):
    payer = t.payer(data.files(), certificate=t.certificates.stranger)
    result = t.export(payer, code=5)
    expect_message(result, "certificate")
    assert not payer.requests, "something was sent all the same"


def test_a_second_401_with_a_fresh_token_is_a_refusal(t):
    payer = t.payer(data.files())
    payer.when("GET|POST", r".*\$export", lambda r: outcome(401, "login", "never"))
    expect_message(t.export(payer, code=3))
    assert len(payer.tokens) == 2, "one token, and one fresh one"


def test_a_403_at_the_kickoff_says_what_the_payer_said(t):
    payer = t.payer(data.files())
    payer.when("GET|POST", r".*\$export", lambda r: outcome(403, "forbidden", "your contract ended"))
    expect_message(t.export(payer, code=3), "your contract ended")


# what the payer sends

def test_a_manifest_that_is_not_json_is_the_payers_failure(t):
    payer = t.payer(data.files())
    payer.when("GET", STATUS, lambda r: Reply(200, "<html>all done</html>", {"Content-Type": "text/html"}))
    expect_message(t.export(payer, code=4), "manifest")
    nothing_received(t)


def test_a_manifest_of_another_shape_is_the_payers_failure(t):
    payer = t.payer(data.files())
    payer.when("GET", STATUS, lambda r: as_json(200, {"output": "none"}))
    expect_message(t.export(payer, code=4))
    nothing_received(t)


def test_a_kickoff_without_an_address_to_poll_is_the_payers_failure(t):
    payer = t.payer(data.files())
    payer.when("GET|POST", r".*\$export", lambda r: Reply(202))
    expect_message(t.export(payer, code=4), "Content-Location")


def test_types_that_are_paths_stay_in_the_folder(t):
    payer = t.payer([("../../escaped", data.patient(1)), ("/etc/escaped", data.patient(2)), ("", data.patient(3)),
                     ("Patient", data.patient(4)), (".smartbulk", data.patient(5)), ("log", data.line({}))])
    t.export(payer, code=6)
    assert not list(t.dir.rglob("*escaped*")) and t.received()["Patient.000.ndjson"] == data.patient(4)
    assert sum(len(content) for content in t.received().values()) == 5 * len(data.patient(1)), t.received().keys()


def test_file_urls_of_other_kinds_are_not_followed(t):
    for n, url in enumerate(("file:///etc/passwd", "http://payer.example/1", "https://user:pw@payer.example/1",
                             "gopher://x/", "//", "https://payer.example/\u001b[31m")):
        payer = t.payer(data.files())

        def change(_request, payer=payer, url=url):
            manifest = payer.manifest(len(payer.jobs))
            manifest["output"][0]["url"] = url
            return as_json(200, manifest)
        payer.when("GET", STATUS, change)
        process = t.start_export(payer, to=f"out{n}")
        result = process.wait()
        assert result.code in (4, 6), f"{url}: {result}"
        assert "root:" not in result.out + result.err and "\x1b" not in result.out + result.err, result
        assert "Patient.000.ndjson" not in t.received(f"out{n}")


def test_a_payers_words_cannot_steer_the_terminal(t):
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    payer = t.payer(data.files())
    payer.when("GET", STATUS, lambda r: outcome(429, "throttled", evil, {"Retry-After": "0", "X-Progress": "\x1b[31m"}),
               times=1)
    payer.when("GET", STATUS, lambda r: outcome(500, "exception-that-lasts", evil))
    result = t.export(payer, "--verbose", code=4)
    assert "owned" in result.err and not set("\x1b\x07\u202e") & set(result.out + result.err), repr(result.err)


def bad_files():
    good = data.files()
    lines = good[2][1].splitlines(keepends=True)
    lines[1] = b'{"resourceType":"ExplanationOfBenefit","id":"broken"\n'
    lines[3] = data.patient(9)
    return good[:2] + [(good[2][0], b"".join(lines))] + good[3:]


def test_a_line_that_is_no_resource_puts_the_file_aside_and_the_rest_goes_on(t):
    payer = t.payer(bad_files())
    result = t.export(payer, code=6)
    received = t.received()
    assert "ExplanationOfBenefit.000.ndjson" not in received
    assert len(received) == len(payer.files) - 1, "the other files are not all there"
    rejected = t.dir / "out/rejected"
    assert (rejected / "ExplanationOfBenefit.000.ndjson").read_bytes() == payer.files[2][1], "not as received"
    lists = [p for p in rejected.iterdir() if p.name != "ExplanationOfBenefit.000.ndjson"]
    assert len(lists) == 1, f"beside it: {lists}"
    listed = lists[0].read_text()
    assert "2" in listed and "4" in listed, listed
    assert "rejected" in result.out + result.err
    t.run("status", t.dir / "out")
    t.run("resume", t.dir / "out", code=6)


def test_some_bad_lines_can_be_allowed(t):
    payer = t.payer(bad_files())
    t.export(payer, "--allow-bad-lines", "2")
    assert t.received()["ExplanationOfBenefit.000.ndjson"] == payer.files[2][1], "not kept whole"


def test_one_bad_line_more_than_allowed_is_too_many(t):
    payer = t.payer(bad_files())
    t.export(payer, "--allow-bad-lines", "1", code=6)


def test_a_file_that_breaks_off_each_time_is_never_put_in_place(t):
    payer = t.payer(data.files())
    content = payer.files[3][1]
    payer.when("GET", r"/files/1/0/output/3",
               lambda r: Reply(200, content[:700], {"Content-Type": "application/fhir+ndjson"}, promise=len(content)))
    process = t.start_export(payer)
    payer.wait_seen("GET", r"/files/1/0/output/3", 3)
    process.kill()
    assert "ExplanationOfBenefit.001.ndjson" not in t.received()


def test_a_count_that_does_not_fit_is_told(t):
    payer = t.payer(data.files())
    payer.counts = {3: 999}
    result = t.export(payer, code=6)
    assert "999" in result.out + result.err, result


def test_other_forms_of_good_files_are_taken(t):
    patients = data.patient(1) + b"\n" + data.patient(2).rstrip(b"\n")
    coverages = b"\xef\xbb\xbf" + data.coverage(1).replace(b"\n", b"\r\n")
    payer = t.payer([("Patient", patients), ("Coverage", coverages), ("ExplanationOfBenefit", b"")])
    t.export(payer)
    t.expect_files(payer.files)


def test_errors_and_deletions_go_to_folders_of_their_own(t):
    payer = t.payer(data.files())
    payer.errors = [("OperationOutcome", data.line({"resourceType": "OperationOutcome", "id": "o", "issue": []}))]
    gone = {"fullUrl": "urn:x", "request": {"method": "DELETE", "url": "Patient/p9"}}
    payer.deleted = [("Bundle", data.line({"resourceType": "Bundle", "id": "b", "type": "transaction",
                                           "entry": [gone]}))]
    t.export(payer)
    t.expect_files(payer.files)
    t.expect_files(payer.errors, below="error")
    t.expect_files(payer.deleted, below="deleted")


# the folder

def test_a_second_export_into_the_same_folder_is_refused_and_harms_nothing(t):
    payer = t.payer(data.files())
    t.export(payer)
    expect_message(t.export(payer, code=2), "resume")
    t.expect_files(payer.files)


def test_a_second_process_in_the_same_folder_is_refused(t):
    payer = t.payer(data.files())
    hold = payer.hold("GET", r"/files/1/0/output/3")
    process = t.start_export(payer)
    hold.wait_arrived()
    expect_message(t.run("resume", t.dir / "out", code=1))
    t.run("status", t.dir / "out")
    hold.open()
    assert process.wait().code == 0
    t.expect_files(payer.files)


def test_a_folder_with_other_peoples_files_is_left_alone(t):
    payer = t.payer(data.files())
    (t.dir / "out").mkdir()
    (t.dir / "out/thesis.txt").write_text("mine")
    expect_message(t.export(payer, code=2))
    assert [p.name for p in (t.dir / "out").iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_written_is_told_before_the_payer_is_asked(t):
    payer = t.payer(data.files())
    t.key()
    parent = t.dir / "readonly"
    parent.mkdir(mode=0o500)
    if os.geteuid() == 0:  # to whom no mode forbids anything: a file system that is read-only does
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", parent], capture_output=True)
        if mounted.returncode != 0:
            t.skip("root writes everywhere, and mounting a read-only file system is not allowed here")
    try:
        expect_message(t.export(payer, to="readonly/out", code=1))
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", parent], check=True)
    assert not payer.jobs, "the payer was made to work for nothing"


def test_a_full_disk_stops_the_export_and_room_lets_it_go_on(t):
    payer = t.payer(data.files(patients=100, claims=20, claim_files=4))
    t.key()
    small = t.dir / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], capture_output=True).returncode != 0:
        t.skip("mounting a small file system is not allowed here")
    try:
        expect_message(t.export(payer, to="small/out", code=1), "space")
        for name, content in t.received("small/out").items():
            kind, n = name.split(".")[0], int(name.split(".")[1])
            assert content == [c for k, c in payer.files if k == kind][n], f"{name} is not whole"
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        t.run("resume", t.dir / "small/out")
        t.expect_files(payer.files, to="small/out")
        t.run("verify", t.dir / "small/out")
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_limit_on_file_sizes_is_a_failure_and_not_a_crash(t):
    payer = t.payer(data.files(patients=400, claims=30, claim_files=1))
    t.key()

    def limits():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 21, 1 << 21))
    expect_message(t.export(payer, code=1, limits=limits))
    t.run("resume", t.dir / "out")
    t.expect_files(payer.files)


# afterwards

def test_verify_finds_a_changed_a_missing_and_a_strange_file(t):
    payer = t.payer(data.files())
    t.export(payer)
    t.run("verify", t.dir / "out")
    path = t.dir / "out/Coverage.000.ndjson"
    content = bytearray(path.read_bytes())
    content[content.index(b"active")] ^= 0x20
    path.write_bytes(content)
    assert "Coverage.000.ndjson" in "".join(str(t.run("verify", t.dir / "out", code=6)))
    path.unlink()
    assert "Coverage.000.ndjson" in str(t.run("verify", t.dir / "out", code=6))
    path.write_bytes(payer.files[1][1])
    t.run("verify", t.dir / "out")
    shutil.copy(path, t.dir / "out/Coverage.777.ndjson")
    assert "Coverage.777.ndjson" in str(t.run("verify", t.dir / "out", code=6))


def test_commands_on_a_folder_without_an_export_say_so(t):
    (t.dir / "empty").mkdir()
    for command in ("status", "verify", "resume", "cancel"):
        expect_message(t.run(command, t.dir / "empty", code=1), "there is no export in")
        expect_message(t.run(command, t.dir / "nowhere", code=1))
    assert not list((t.dir / "empty").iterdir()) and not (t.dir / "nowhere").exists(), "something was left behind"


def test_wrong_usage_exits_2_and_names_the_help(t):
    for args in (["export"], ["nonsense"], ["export", "https://x.example", "--nonsense"], ["key", "new", "--alg", "HS256"],
                 ["status"], ["verify"], ["resume"]):
        result = t.run(*args, code=2)
        assert "--help" in result.err or "fix:" in result.err, result


def test_every_command_has_a_help_that_begins_with_an_example(t):
    for command in ("export", "resume", "status", "verify", "cancel", "key", "token", "sandbox"):
        result = t.run(command, "--help")
        assert result.out.startswith("Example: "), result


def test_an_error_as_json_is_one_object_that_programs_can_read(t):
    payer = t.payer(data.files())
    payer.when("POST", "/token", lambda r: as_json(401, {"error": "invalid_client"}))
    result = t.export(payer, "--json", code=3)
    error = json.loads(result.err.strip().splitlines()[-1])
    assert "invalid_client" in json.dumps(error)
