# SPDX-License-Identifier: Apache-2.0
"""What is sent to a payer, and to whom: requests, tokens, signatures."""
import base64
import json
import re
import subprocess
import threading
import urllib.parse

import data
from payer import Reply, as_json, outcome

STATUS, FILES = r"/fhir/status/\d+", r"/files/.*"


def part(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def kickoffs(payer):
    return [r for r in payer.requests if r.path.endswith("$export")]


def parameters(request):
    if request.method == "POST":
        return {p["name"]: next(v for k, v in p.items() if k.startswith("value")) for p in json.loads(request.body)["parameter"]}
    return {k: v[0] for k, v in urllib.parse.parse_qs(request.query).items()}


def test_an_independent_program_finds_our_assertions_signature_good(t):
    for alg in ("ES384", "RS384"):
        payer = t.payer(data.files())
        key = t.key(f"{alg}.jwk", "--alg", alg)
        t.run("export", *t.client(payer, key), "--patients", "--to", t.dir / f"out-{alg}", "--no-token-cache")
        (t.dir / "set.json").write_text(t.run("key", "jwks", key).out)
        (t.dir / "keys/assertion").write_text(payer.assertions[0])
        verified = subprocess.run(["jose", "jws", "ver", "-i", t.dir / "keys/assertion", "-k", t.dir / "set.json",
                                   "-O", "-"], capture_output=True)
        assert verified.returncode == 0, f"jose does not find the {alg} signature good"
        header, claims = part(payer.assertions[0].split(".")[0]), json.loads(verified.stdout)
        assert header["alg"] == alg and header["typ"] == "JWT" and header["kid"]
        assert claims["iss"] == claims["sub"] == "client-1"
        assert claims["aud"] == f"{payer.server.origin}/token"
        assert 0 < claims["exp"] - claims["iat"] <= 300 and len(claims["jti"]) >= 22


def test_what_is_published_of_a_key_is_public(t):
    key = t.key()
    printed = t.run("key", "jwks", key).out
    published = json.loads(printed)["keys"][0]
    assert set(published) <= {"kty", "crv", "x", "y", "use", "alg", "kid", "key_ops"}, published
    assert published["use"] == "sig" and published["alg"] == "ES384"


def test_the_token_request_is_as_the_standard_has_it(t):
    payer = t.payer(data.files())
    t.export(payer)
    request = payer.seen("POST", "/token")[0]
    form = request.form()
    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in request.headers
    assert form["scope"]


def test_discovery_is_asked_without_a_token(t):
    payer = t.payer(data.files())
    t.export(payer)
    for r in payer.seen("GET", r"/fhir/\.well-known/.*") + payer.seen("GET", "/fhir/metadata"):
        assert "Authorization" not in r.headers


def test_the_kickoff_asks_for_what_was_wanted_by_get(t):
    payer = t.payer(data.files())
    t.export(payer, "--get", "--type", "Patient,Coverage", "--since", "2026-01-01T00:00:00Z",
             "--type-filter", "Coverage?status=active&x=y")
    kickoff = kickoffs(payer)[0]
    asked = parameters(kickoff)
    assert kickoff.method == "GET" and kickoff.path == "/fhir/Patient/$export"
    assert asked["_type"] == "Patient,Coverage" and asked["_typeFilter"] == "Coverage?status=active&x=y"
    assert asked["_since"].startswith("2026-01-01T00:00:00")
    assert kickoff.headers["Prefer"].startswith("respond-async")
    assert kickoff.headers["Accept"] == "application/fhir+json"


def test_the_kickoff_asks_for_what_was_wanted_by_post(t):
    payer = t.payer(data.files())
    t.export(payer, "--post", "--type", "Patient", "--since", "2026-01-01")
    kickoff = kickoffs(payer)[0]
    assert kickoff.method == "POST" and json.loads(kickoff.body)["resourceType"] == "Parameters"
    assert parameters(kickoff)["_type"] == "Patient"
    assert parameters(kickoff)["_since"].startswith("2026-01-01T00:00:00")


def test_each_level_has_its_own_address(t):
    for n, (options, path) in enumerate(((["--system"], "/fhir/$export"), (["--patients"], "/fhir/Patient/$export"),
                                         (["--group", "acme.1"], "/fhir/Group/acme.1/$export"))):
        payer = t.payer(data.files())
        t.run("export", *t.client(payer), *options, "--to", t.dir / f"out{n}")
        assert kickoffs(payer)[0].path == path, kickoffs(payer)[0].path


def test_a_payer_that_takes_no_post_is_asked_by_get(t):
    payer = t.payer(data.files())
    payer.when("POST", r".*\$export", lambda r: outcome(405, "not-supported", "GET only"))
    t.export(payer)
    t.expect_files(payer.files)
    assert kickoffs(payer)[-1].method == "GET"


def test_since_last_is_the_time_of_the_previous_export(t):
    payer = t.payer(data.files())
    t.export(payer)
    t.export(payer, "--since", "last", to="second")
    asked = parameters(kickoffs(payer)[-1])["_since"]
    assert asked == payer.transaction_time, asked


def test_since_last_without_a_previous_export_is_a_mistake(t):
    payer = t.payer(data.files())
    result = t.export(payer, "--since", "last", code=2)
    assert "fix:" in result.err
    assert not kickoffs(payer)


def test_the_job_is_deleted_when_everything_is_on_disk(t):
    payer = t.payer(data.files())
    t.export(payer)
    assert payer.removed == {1}
    last_file = max(i for i, r in enumerate(payer.requests) if r.path.startswith("/files/"))
    delete = next(i for i, r in enumerate(payer.requests) if r.method == "DELETE")
    assert delete > last_file


def test_the_job_stays_at_the_payer_when_asked_to(t):
    payer = t.payer(data.files())
    t.export(payer, "--keep-remote")
    assert not payer.removed and not payer.seen("DELETE", STATUS)


def test_a_cancelled_export_is_gone_at_the_payer(t):
    payer = t.payer(data.files())
    payer.polls_before_done = 1000
    process = t.start_export(payer)
    payer.wait_seen("GET", STATUS)
    process.kill()
    t.run("cancel", t.dir / "out")
    assert payer.removed == {1}
    result = t.run("resume", t.dir / "out", code=2)
    assert "cancel" in result.err
    assert "cancel" in t.run("status", t.dir / "out").out


def test_compressed_files_come_out_the_same(t):
    payer = t.payer(data.files())
    payer.gzip = True
    t.export(payer)
    t.expect_files(payer.files)
    assert any("gzip" in r.headers.get("Accept-Encoding", "") for r in payer.seen("GET", FILES))


def test_files_get_the_token_when_the_manifest_says_so(t):
    payer = t.payer(data.files())
    t.export(payer)
    assert all(r.token for r in payer.seen("GET", FILES))


def test_files_never_get_the_token_when_the_manifest_says_not(t):
    payer = t.payer(data.files())
    payer.requires_token = False
    t.export(payer)
    t.expect_files(payer.files)
    assert not any("Authorization" in r.headers for r in payer.seen("GET", FILES))


def test_a_redirect_to_another_origin_loses_the_token(t):
    payer = t.payer(data.files())
    other = payer.other_origin()

    def elsewhere(r):
        if r.server is other:
            payer.requires_token = False
            reply = payer.give_file(r)
            payer.requires_token = True
            return reply
        return Reply(307, headers={"Location": f"{other.origin}{r.path}?signature=s3cret"})
    lock = threading.Lock()

    def one_at_a_time(r):
        with lock:
            return elsewhere(r)
    payer.when("GET", FILES, one_at_a_time)
    t.export(payer)
    t.expect_files(payer.files)
    there = [r for r in payer.seen("GET", FILES) if r.server is other]
    assert len(there) == len(payer.files)
    assert not any("Authorization" in r.headers for r in there), "the token went to another origin"


def test_files_on_another_origin_do_not_get_the_token_unasked(t):
    payer = t.payer(data.files())
    payer.file_origin = payer.other_origin()
    result = t.export(payer, code=4)
    assert "token" in result.err and "token-host" in result.err or "token_hosts" in result.err, result
    there = [r for r in payer.requests if r.server is payer.other]
    assert not any("Authorization" in r.headers for r in there), "the token went to another origin"


def test_files_on_another_origin_get_the_token_when_the_user_says_so(t):
    payer = t.payer(data.files())
    payer.file_origin = payer.other_origin()
    t.export(payer, "--token-host", payer.other.origin)
    t.expect_files(payer.files)


def test_a_token_endpoint_that_redirects_gets_no_second_assertion(t):
    payer = t.payer(data.files())
    other = payer.other_origin()
    payer.when("POST", "/token", lambda r: Reply(307, headers={"Location": f"{other.origin}/token"}))
    t.export(payer, code=4)
    assert not [r for r in payer.requests if r.server is other]


def test_sixteen_downloads_that_get_a_401_at_once_ask_for_one_token(t):
    payer = t.payer(data.files(claim_files=14))

    def revoke():  # once, before the first of them is answered: what comes after is a new token
        with payer.lock:
            payer.tokens = {token: 0 for token in payer.tokens}
    together = threading.Barrier(16, action=revoke, timeout=60)

    def storm(_request):
        together.wait()  # all sixteen are there: now each is told that its token is no good
        return outcome(401, "login", "revoked", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    payer.when("GET", FILES, storm, times=16)
    t.export(payer, "--connections", "16")
    t.expect_files(payer.files)
    assert len(payer.seen("POST", "/token")) == 2, f"{len(payer.seen('POST', '/token'))} token requests"


def test_runs_share_a_token_and_scripts_get_it(t):
    payer = t.payer(data.files())
    first = t.run("token", *t.client(payer)).out.strip()
    header = t.run("token", *t.client(payer), "--header").out.strip()
    assert header == f"Authorization: Bearer {first}"
    assert json.loads(t.run("token", *t.client(payer), "--json").out)["access_token"] == first
    assert len(payer.tokens) == 1, "each run asked for a token of its own"
    t.log.clear()  # printing it was the wish


def test_a_token_that_lives_shorter_than_wished_is_given_with_a_word(t):
    payer = t.payer(data.files())
    wished = t.run("token", *t.client(payer), "--min-left", "3600")
    assert wished.out.strip() in payer.tokens and "--min-left" in wished.err, wished
    assert t.run("token", *t.client(payer)).err == "", "it was told without a wish"
    t.log.clear()  # printing it was the wish


def test_a_payer_in_the_configuration_needs_but_its_name(t):
    payer = t.payer(data.files())
    key, passphrase = t.dir / "keys/acme.pem", t.dir / "keys/passphrase"
    passphrase.write_text("correct horse battery staple\n")
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-aes-256-cbc",
                    "-pass", f"file:{passphrase}", "-out", key], check=True, capture_output=True)
    (t.dir / "smartbulk.yaml").write_text(
        f"payers:\n  acme:\n    fhir_url: {payer.fhir_url}\n    client_id: client-1\n    key: keys/acme.pem\n"
        f"    kid: k1\n    passphrase_file: keys/passphrase\n    ca_file: {t.certificates.ca}\n"
        f"    scope: system/Patient.rs\n    headers: ['X-Api-Key: 17']\n")
    t.run("export", "acme", "--to", t.dir / "out")
    t.expect_files(payer.files)
    assert part(payer.assertions[0].split(".")[0])["kid"] == "k1"
    assert payer.seen("POST", "/token")[0].form()["scope"] == "system/Patient.rs"
    assert all(r.headers["X-Api-Key"] == "17" for r in payer.requests)


def test_the_log_is_one_that_other_tools_can_read(t):
    payer = t.payer(data.files())
    t.export(payer)
    events = t.events()
    kinds = [e["eventId"] for e in events]
    assert kinds[0] == "kickoff" and kinds[-1] == "export_complete", kinds
    assert kinds.count("download_complete") == len(payer.files)
    assert len({e["exportId"] for e in events}) == 1
    for e in events:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", e["timestamp"]), e
    last = events[-1]["eventDetail"]
    assert last["files"] == len(payer.files)
    assert last["bytes"] == sum(len(content) for _, content in payer.files)


def test_no_members_id_and_no_signed_url_is_in_any_log(t):
    payer = t.payer(data.files())

    def signed(_request):
        manifest = payer.manifest(1)
        for item in manifest["output"]:
            item["url"] += "?X-Signature=c4pability"
        return as_json(200, manifest)
    payer.when("GET", STATUS, signed)
    result = t.export(payer, "--verbose", "--patient", "member-4711")
    t.expect_files(payer.files)
    assert "member-4711" in kickoffs(payer)[0].body.decode(), "it was not asked for at all"
    for text in (result.out, result.err, (t.dir / "out/log.ndjson").read_text(),
                 t.run("export", *t.client(payer), "--to", t.dir / "json", "--json", "--patient", "member-4711").out):
        assert "member-4711" not in text and "c4pability" not in text, text


def test_everything_on_disk_is_ours_alone(t):
    payer = t.payer(data.files())
    t.export(payer)
    for path in (t.dir / "out", *(t.dir / "out").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
