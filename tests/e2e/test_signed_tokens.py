# SPDX-License-Identifier: Apache-2.0
"""Access tokens that are signed: anybody checks them by the published keys, and the payer's processes agree on them."""
import base64
import json
import secrets
import subprocess
import time
import urllib.parse

from partner import Partner, jose
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
