# SPDX-License-Identifier: Apache-2.0
"""Access tokens that are signed: anybody checks them by the published keys, and the payer's processes agree on them."""
import base64
import json
import secrets
import subprocess
import time
import urllib.parse

from context import wait_until
from partner import JWT_BEARER, Partner, jose
from postgres import Postgres
from serve import Serve
from test_serve import expect_all_claims, write_claims


def secret_file(t, name="token-key"):
    path = t.dir / name
    path.write_text(secrets.token_hex(32) + "\n")
    path.chmod(0o600)
    return str(path)


def start(t, name="serve", key=None, **settings):
    return Serve(t, name, **{**settings, "auth": {"registration": "open", "token_format": "jwt",
                                                  "token_key_file": key or secret_file(t), **settings.get("auth", {})}})


def part(token, index):
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def key_set(partner, base_url):
    metadata = partner.send("GET", base_url + "/.well-known/oauth-authorization-server").json()
    smart = partner.send("GET", base_url + "/fhir/.well-known/smart-configuration").json()
    assert metadata["jwks_uri"] == smart["jwks_uri"]
    answer = partner.send("GET", base_url + urllib.parse.urlsplit(metadata["jwks_uri"]).path)
    assert answer.status == 200 and "max-age=900" in answer.headers["Cache-Control"], answer.headers
    keys = answer.json()
    assert all("d" not in key and key["kty"] == "EC" and key["alg"] == "ES256" and key["use"] == "sig" for key in keys["keys"])
    return keys


def verifies(t, token, keys):
    """By another implementation, from what is published alone."""
    path = t.dir / "published.jwks"
    path.write_text(json.dumps(keys))
    return subprocess.run(["jose", "jws", "ver", "-i", "-", "-k", str(path)], input=token.encode(), capture_output=True).returncode == 0


def test_a_signed_token_is_verified_by_another_implementation_from_what_is_published(t):
    write_claims(t)
    serve = start(t)
    partner = Partner(t, serve)
    answer = partner.ask_token(partner.assertion()).json()
    token, keys = answer["access_token"], key_set(partner, serve.base_url)
    assert verifies(t, token, keys) and not verifies(t, token, {"keys": [json.loads(jose("jwk", "pub", "-i", partner.key_file))]})
    header, claims = part(token, 0), part(token, 1)
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": keys["keys"][0]["kid"]}, header
    assert claims["iss"] == serve.base_url and claims["aud"] == serve.url, claims
    assert claims["sub"] == claims["client_id"] == partner.client_id and claims["scope"] == answer["scope"]
    assert abs(claims["iat"] - time.time()) < 60 and 0 <= claims["exp"] - claims["iat"] - answer["expires_in"] <= 1
    expect_all_claims(partner, token)
    other = part(partner.token(), 1)
    assert other["jti"] != claims["jti"]
    database = (t.dir / "payer.db").read_bytes() + (t.dir / "payer.db-wal").read_bytes()
    assert token.encode() not in database and b"PRIVATE" not in database and b'"d":' not in database


def revoke(partner, base_url, token):
    fields = {"client_assertion_type": JWT_BEARER, "client_assertion": partner.assertion(), "token": token}
    return partner.send("POST", base_url + "/revoke", urllib.parse.urlencode(fields).encode(), partner.FORM)


def basic(name, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def test_three_processes_sign_by_one_key_and_a_revoked_token_ends_at_all(t):
    write_claims(t)
    database, key = Postgres(t), secret_file(t)
    introspector = secret_file(t, "hapi")
    auth = {"resource_servers": [{"id": "hapi", "secret_file": introspector}]}
    try:
        first = start(t, "one", key, database=database.url, auth=auth)
        others = [start(t, name, key, base_url=first.base_url, database=database.url, auth=auth) for name in ("two", "three")]
        addresses = [f"http://127.0.0.1:{s.about['port']}" for s in (first, *others)]
        partner = Partner(t, first)
        assert len({json.dumps(key_set(partner, address)) for address in addresses}) == 1

        def ask_token(i, assertion):
            return partner.send("POST", addresses[i] + "/token", partner.token_form(assertion), partner.FORM)

        def is_active(i, token):
            body = urllib.parse.urlencode({"token": token}).encode()
            answer = partner.send("POST", addresses[i] + "/introspect", body, {**partner.FORM, **basic("hapi", open(introspector).read().strip())})
            assert answer.status == 200, answer.body
            return answer.json()["active"]

        def allowed(i, token):
            return partner.ask("GET", addresses[i] + "/authorize-request/fhir/Patient/p1", token).status

        for i in (1, 2):
            wait_until(lambda i=i: ask_token(i, partner.assertion()).status == 200, "the client to be known everywhere")
        assertion = partner.assertion()
        token = ask_token(0, assertion).json()["access_token"]
        assert [ask_token(i, assertion).status for i in (0, 1, 2)] == [401] * 3
        mine = [ask_token(i, partner.assertion()).json()["access_token"] for i in range(3)]
        for i in range(3):
            keys = key_set(partner, addresses[i])
            assert all(verifies(t, one, keys) for one in (token, *mine))
            assert all(is_active(i, one) and allowed(i, one) == 204 for one in (token, *mine))
            assert partner.ask("GET", addresses[i] + "/fhir/jobs/none", token).status == 404
        altered = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
        assert not any(is_active(i, altered) for i in range(3)) and [allowed(i, altered) for i in range(3)] == [401] * 3

        assert revoke(partner, addresses[1], token).status == 200
        assert allowed(1, token) == 401 and not is_active(1, token)
        for i in (0, 2):
            wait_until(lambda: allowed(i, token) == 401, "the revocation at the others")
            assert not is_active(i, token)
            assert partner.ask("GET", addresses[i] + "/fhir/jobs/none", token).status == 401
        assert all(is_active(i, one) for i in range(3) for one in mine)

        t.run("clients", "suspend", "--config", first.config, partner.client_id)
        for i in range(3):
            wait_until(lambda: allowed(i, mine[i]) == 401, "the end of a suspended client's tokens")
    finally:
        for serve in t.serves:
            serve.end()
        database.end()


def test_keys_tokens_and_revocations_outlive_a_restart(t):
    write_claims(t)
    serve = start(t)
    partner = Partner(t, serve)
    token, revoked, before = partner.token(), partner.token(), key_set(partner, serve.base_url)
    assert revoke(partner, serve.base_url, revoked).status == 200
    for stop in (serve.end, serve.kill):
        stop()
        serve.settings["base_url"] = partner.token_url.removesuffix("/token")
        serve.settings["listen"] = serve.settings["base_url"].removeprefix("http://")
        serve.write()
        serve.start()
        assert key_set(partner, serve.base_url) == before
        assert partner.ask("GET", "/jobs/none", token).status == 404
        assert partner.ask("GET", "/jobs/none", revoked).status == 401


def test_another_secret_starts_nothing_and_a_guessable_one_is_no_secret(t):
    write_claims(t)
    serve = start(t)
    serve.end()
    serve.settings["auth"]["token_key_file"] = secret_file(t, "another")
    serve.write()
    result = t.run("serve", "--config", serve.config, code=2)
    assert "sealed by another secret" in result.err and "auth.token_key_file" in result.err, result.err
    weak = t.dir / "weak"
    weak.write_text("password\n")
    weak.chmod(0o600)
    for file, words in ((weak, "could be guessed"), (t.dir / "none", "none"), (None, "give auth.token_key_file, too")):
        serve.settings["auth"]["token_key_file"] = str(file) if file else None
        serve.settings["auth"] = {k: v for k, v in serve.settings["auth"].items() if v is not None}
        serve.write()
        for more in ([], ["--check-config"]):
            result = t.run("serve", "--config", serve.config, *more, code=1 if file and "none" in file.name and not more else 2)
            assert words in result.err and "password" not in result.err, result.err


def test_opaque_tokens_are_signed_by_nobody(t):
    write_claims(t)
    serve = Serve(t)
    partner = Partner(t, serve)
    assert "jwks_uri" not in partner.send("GET", serve.base_url + "/.well-known/oauth-authorization-server").json()
    assert partner.send("GET", serve.base_url + "/jwks").status == 404
    token = partner.token()
    assert "." not in token
    serve.end()
    serve.settings["auth"] = {"registration": "open", "token_format": "jwt", "token_key_file": secret_file(t)}
    serve.settings["base_url"] = serve.base_url
    serve.settings["listen"] = serve.base_url.removeprefix("http://")
    serve.write()
    serve.start()
    assert partner.ask("GET", "/jobs/none", token).status == 404  # until it ends
    assert partner.token().count(".") == 2


def test_the_audience_is_the_one_that_is_asked_for(t):
    write_claims(t)
    serve = start(t, auth={"token_audience": "https://hapi.example/fhir", "token_lifetime": 60})
    partner = Partner(t, serve)
    token = partner.token()
    claims = part(token, 1)
    assert claims["aud"] == "https://hapi.example/fhir" and claims["exp"] - claims["iat"] in (60, 61)
    assert partner.ask("GET", "/jobs/none", token).status == 404
