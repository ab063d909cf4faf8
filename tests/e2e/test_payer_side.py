# SPDX-License-Identifier: Apache-2.0
"""The payer's side as a partner's program meets it: keys and assertions are made by another implementation (jose)."""
import base64
import gzip
import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import uuid

import data
from context import wait_until
from partner import JWT_BEARER, SCOPE, Partner, b64, jose


def sandbox_partner(t, *options, **settings):
    return Partner(t, t.sandbox(*options), **settings)


def expect_invalid_client(answer):
    assert answer.status in (400, 401), f"{answer.status} {answer.body}"
    assert answer.json()["error"] == "invalid_client", answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"]
    return answer.body


def test_assertions_of_another_implementation_are_good_with_each_advertised_algorithm(t):
    for alg in ("ES384", "RS384"):
        partner = sandbox_partner(t, "--patients", "1", alg=alg)
        advertised = partner.ask("GET", "/.well-known/smart-configuration").json()
        assert sorted(advertised["token_endpoint_auth_signing_alg_values_supported"]) == ["ES384", "RS384"]
        answer = partner.ask_token(partner.assertion())
        assert answer.status == 200, f"{alg}: {answer.body}"
        document = answer.json()
        assert document["token_type"].lower() == "bearer" and isinstance(document["expires_in"], int)
        assert document["scope"] == SCOPE
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Pragma"] == "no-cache"
        partner.server.end()


def test_an_assertion_is_good_once(t):
    partner = sandbox_partner(t, "--patients", "1")
    assertion = partner.assertion()
    assert partner.ask_token(assertion).status == 200
    expect_invalid_client(partner.ask_token(assertion))


def test_of_many_that_use_one_assertion_at_once_one_wins(t):
    partner = sandbox_partner(t, "--patients", "1")
    assertion, statuses, start = partner.assertion(), [], threading.Barrier(12)

    def race():
        start.wait()
        statuses.append(partner.ask_token(assertion).status)
    threads = [threading.Thread(target=race) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 1, statuses


def test_a_bad_request_does_not_use_up_a_good_assertion(t):
    partner = sandbox_partner(t, "--patients", "1")
    assertion = partner.assertion()
    head, payload, signature = assertion.split(".")
    expect_invalid_client(partner.ask_token(f"{head}.{payload}.{signature[:-4]}AAAA"))
    assert partner.ask_token(assertion, scope="system/Claim.cruds").status == 400
    assert partner.ask_token(assertion, grant_type="password").status == 400
    assert partner.ask_token(assertion).status == 200


def test_every_bad_assertion_is_refused_in_the_same_words(t):
    partner = sandbox_partner(t, "--patients", "1")
    now = int(time.time())
    other = t.dir / "keys/other.jwk"
    jose("jwk", "gen", "-i", '{"alg":"ES384"}', "-o", other)
    good = partner.assertion()
    head, payload, signature = good.split(".")
    mine = partner.key_file
    partner.key_file = other
    stranger = partner.assertion()
    smuggled = partner.assertion(header={"jwk": json.loads(jose("jwk", "pub", "-i", other, "-o", "-"))})
    partner.key_file = mine
    secret = t.dir / "keys/secret.jwk"  # our public key as an HMAC secret
    secret.write_text(json.dumps({"kty": "oct", "k": b64(json.dumps(partner.public).encode()), "alg": "HS256"}))
    hmac = jose("jws", "sig", "-I", "-", "-k", secret, "-s",
                json.dumps({"protected": {"alg": "HS256", "kid": partner.kid}}), "-c",
                text=json.dumps(partner.claims())).strip()
    bad = {
        "another key's signature": stranger,
        "a key in the header": smuggled,
        "no signature": f"{head}.{payload}.",
        "alg none": f'{b64({"alg": "none", "kid": partner.kid})}.{payload}.',
        "an HMAC by the public key": hmac,
        "a zero signature": f"{head}.{payload}.{b64(bytes(96))}",
        "r and s of n": f"{head}.{payload}.{b64(bytes.fromhex('ff' * 96))}",
        "a signature in DER": f"{head}.{payload}.{b64(bytes.fromhex('3006020101020101'))}",
        "a changed payload": f"{head}.{b64(partner.claims(sub='admin'))}.{signature}",
        "an unknown kid": partner.assertion(header={"kid": "nobody"}),
        "no kid": partner.assertion(header={"kid": None}),
        "crit": partner.assertion(header={"crit": ["exp"]}),
        "another typ": partner.assertion(header={"typ": "at+jwt"}),
        "a foreign jku": partner.assertion(header={"jku": "https://evil.example/jwks"}),
        "another audience": partner.assertion(aud="https://other.example/token"),
        "no audience": partner.assertion(aud=None),
        "expired": partner.assertion(exp=now - 60),
        "an hour ahead": partner.assertion(exp=now + 3600),
        "no exp": partner.assertion(exp=None),
        "exp as a text": partner.assertion(exp=str(now + 100)),
        "not yet": partner.assertion(nbf=now + 200),
        "issued tomorrow": partner.assertion(iat=now + 86400, exp=now + 240),
        "no jti": partner.assertion(jti=None),
        "an empty jti": partner.assertion(jti=""),
        "a huge jti": partner.assertion(jti="x" * 300),
        "an unknown client": partner.assertion(iss="nobody", sub="nobody"),
        "another sub": partner.assertion(sub="somebody"),
        "no iss": partner.assertion(iss=None),
        "two parts": f"{head}.{payload}",
        "four parts": f"{good}.x",
        "padding": f"{head}=.{payload}.{signature}",
        "no JSON": f"{b64(b'{')}.{payload}.{signature}",
        "nothing": "",
        "too long": good + "A" * 70000,
    }
    words = {}
    for what, assertion in bad.items():
        answer = partner.ask_token(assertion)
        assert answer.status in (400, 401, 413), f"{what} was answered {answer.status} {answer.body}"
        if answer.status == 401:
            words.setdefault(expect_invalid_client(answer), []).append(what)
    assert len(words) == 1, f"refusals differ, and so tell what was wrong: {words}"
    assert partner.ask_token(partner.assertion(), client_id="other").status in (400, 401)
    assert partner.ask_token(partner.assertion()).status == 200


def test_malformed_token_requests_are_400(t):
    partner = sandbox_partner(t, "--patients", "1")
    for answer, code in (
            (partner.ask_token(partner.assertion(), grant_type="authorization_code"), "unsupported_grant_type"),
            (partner.ask_token(partner.assertion(), grant_type=None), "invalid_request"),
            (partner.ask_token(partner.assertion(), extra=[("scope", "system/Patient.rs")]), "invalid_request"),
            (partner.ask_token(partner.assertion(), extra=[("client_assertion", "x")]), "invalid_request"),
            (partner.ask_token(partner.assertion(), headers={"Authorization": "Basic eDp5"}), "invalid_request"),
            (partner.ask_token(partner.assertion(), scope="system/Claim.cruds"), "invalid_scope")):
        assert answer.status == 400 and answer.json()["error"] == code, f"wanted {code}: {answer.status} {answer.body}"
        assert answer.headers["Cache-Control"] == "no-store"
    assert partner.ask_token("x", grant_type="nonsense").json()["error"] == "unsupported_grant_type"
    assert partner.ask("GET", partner.token_url).status == 405


def test_an_asked_scope_that_is_more_than_allowed_is_cut_or_refused(t):
    partner = sandbox_partner(t, "--patients", "1")
    answer = partner.ask_token(partner.assertion(), scope="system/Patient.rs system/Claim.rs")
    assert answer.status == 400 or "Claim" not in answer.json()["scope"], answer.body


def test_nothing_of_the_data_is_had_without_a_token(t):
    partner = sandbox_partner(t, "--patients", "2")
    token = partner.token()
    manifest = partner.export(token)
    file_url = manifest["output"][0]["url"]
    for method, path in (("GET", "/Patient/$export"), ("GET", partner.job), ("GET", file_url), ("DELETE", partner.job),
                         ("GET", "/Group")):
        for bearer, headers in ((None, {}), ("made-up", {}), (None, {"Authorization": f"Basic {token}"})):
            answer = partner.ask(method, path, bearer, **headers)
            assert answer.status == 401, f"{method} {path}: {answer.status}"
            challenge = answer.headers["WWW-Authenticate"]
            assert challenge.startswith("Bearer")
            assert ("invalid_token" in challenge) == bool(bearer), challenge
            assert answer.json()["resourceType"] == "OperationOutcome"
    assert partner.ask("GET", file_url, token).status == 200


def test_another_clients_job_and_files_are_not_there(t):
    one = sandbox_partner(t, "--patients", "2")
    manifest = one.export(one.token())
    other = Partner.__new__(Partner)
    other.__dict__.update(one.__dict__)
    answer = one.send("POST", one.server.register_url, json.dumps({
        "client_name": "other", "jwks": {"keys": [{**one.public, "use": "sig"}]}, "scope": SCOPE,
        "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt"}).encode(),
        {"Content-Type": "application/json"})
    other.client_id = answer.json()["client_id"]
    token = other.token()
    for method, url in (("GET", one.job), ("GET", manifest["output"][0]["url"]), ("DELETE", one.job)):
        assert one.ask(method, url, token).status in (403, 404), f"{method} {url}"


def test_types_that_the_scope_does_not_cover_are_refused_at_the_kickoff(t):
    partner = sandbox_partner(t, "--patients", "2")
    answer = partner.ask("GET", "/Patient/$export?_type=ExplanationOfBenefit", partner.token(),
                         Prefer="respond-async", Accept="application/fhir+json")
    assert answer.status in (400, 403) and answer.json()["resourceType"] == "OperationOutcome", answer.body
    manifest = partner.export(partner.token())
    assert {item["type"] for item in manifest["output"]} <= {"Patient", "Coverage"}


def test_files_can_be_had_in_ranges_compressed_and_conditionally(t):
    what = data.files(patients=50)
    partner = sandbox_partner(t, "--data", data.write_folder(t.dir / "data", what))
    token = partner.token()
    item = next(i for i in partner.export(token)["output"] if i["type"] == "Patient")
    whole = partner.ask("GET", item["url"], token)
    content, etag = whole.body, whole.headers["ETag"]
    assert content == what[0][1] and item["count"] == 50
    assert whole.headers["Content-Type"].startswith("application/fhir+ndjson")
    piece = partner.ask("GET", item["url"], token, Range="bytes=100-199", If_Range=etag)
    assert piece.status == 206 and piece.body == content[100:200]
    assert piece.headers["Content-Range"] == f"bytes 100-199/{len(content)}"
    assert partner.ask("GET", item["url"], token, Range="bytes=100-199", If_Range='"other"').body == content
    assert partner.ask("GET", item["url"], token, Range=f"bytes={len(content)}-").status == 416
    assert partner.ask("GET", item["url"], token, Range="bytes=-10").body == content[-10:]
    assert partner.ask("GET", item["url"], token, If_None_Match=etag).status == 304
    def ask_packed():
        return partner.ask("GET", item["url"], token, Accept_Encoding="gzip")
    wait_until(lambda: ask_packed().headers.get("Content-Encoding") == "gzip", "the compressed copy")
    packed = ask_packed()
    assert gzip.decompress(packed.body) == content
    assert packed.headers["ETag"] != etag, "two representations, one strong tag"


def test_a_deleted_job_is_gone(t):
    partner = sandbox_partner(t, "--patients", "2")
    token = partner.token()
    manifest = partner.export(token)
    assert partner.ask("DELETE", partner.job, token).status == 202
    for url in (partner.job, manifest["output"][0]["url"]):
        answer = partner.ask("GET", url, token)
        assert answer.status == 404 and answer.json()["resourceType"] == "OperationOutcome", answer.status


def test_a_token_ends_when_it_said_it_would(t):
    partner = sandbox_partner(t, "--patients", "1", "--token-lifetime", "1")
    token = partner.token()
    wait_until(lambda: partner.ask("GET", "/Group", token).status == 401, "the token's end", 10)


def test_revoked_tokens_are_good_for_nothing(t):
    partner = sandbox_partner(t, "--patients", "1")
    token = partner.token()
    assert partner.ask("GET", "/Group", token).status != 401
    partner.server.process.signal(10)  # SIGUSR1
    wait_until(lambda: partner.ask("GET", "/Group", token).status == 401, "the tokens' end", 10)
    partner.token()


def test_requests_that_make_no_sense_are_answered_and_survived(t):
    partner = sandbox_partner(t, "--patients", "1")
    token = partner.token()
    for path in ("/../../etc/passwd", "/jobs/%2e%2e/%2e%2e/x", "/jobs/999999/0", "/jobs/-1", "/Patient/$export?_since=x",
                 "/Patient/$export?_type=%00", "/Patient/$export?x=" + "y" * 8000,
                 "/Group/nobody/$export", "/Nothing", "/%", "/Patient/$export?%zz=1"):
        answer = partner.ask("GET", path, token, Prefer="respond-async", Accept="application/fhir+json")
        assert 400 <= answer.status < 500, f"{path}: {answer.status} {answer.body[:200]}"
    for body in (b"", b"{", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Parameters","parameter":1}',
                 b'{"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Nonsense"}]}'):
        answer = partner.ask("POST", "/Patient/$export", token, body, Content_Type="application/fhir+json",
                             Prefer="respond-async", Accept="application/fhir+json")
        assert 400 <= answer.status < 500, f"{body}: {answer.status}"
    # More than a head may have is not read to its end: who is still sending may meet a closed connection, not the answer.
    try:
        answer = partner.ask("GET", "/Patient/$export?x=" + "y" * 60000, token, Prefer="respond-async")
        assert 400 <= answer.status < 500, f"{answer.status} {answer.body[:200]}"
    except urllib.error.URLError as problem:
        assert isinstance(problem.reason, (ssl.SSLEOFError, ConnectionError)), problem
    assert partner.ask("GET", "/metadata").status == 200


def test_a_registration_that_would_be_unsafe_is_refused(t):
    partner = sandbox_partner(t, "--patients", "1")
    private = json.loads(partner.key_file.read_text())
    made = subprocess.run("openssl genrsa 1024 | openssl rsa -noout -modulus", shell=True, capture_output=True,
                          check=True, text=True)
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": b64(bytes.fromhex(made.stdout.strip().split("=")[1]))}
    for keys, scope in (([private], SCOPE), ([], SCOPE), ([{**partner.public, "kid": "a"}] * 2, SCOPE),
                        ([weak], SCOPE),
                        ([{"kty": "oct", "k": "c2VjcmV0"}], SCOPE), ([partner.public], "patient/Patient.rs")):
        answer = partner.send("POST", partner.server.register_url, json.dumps({
            "client_name": "x", "jwks": {"keys": keys}, "grant_types": ["client_credentials"], "scope": scope,
            "token_endpoint_auth_method": "private_key_jwt"}).encode(), {"Content-Type": "application/json"})
        assert answer.status == 400, f"{keys} {scope} was registered: {answer.body}"
        assert private["d"].encode() not in answer.body
