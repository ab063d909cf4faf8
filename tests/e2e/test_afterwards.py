# SPDX-License-Identifier: Apache-2.0
"""Once a program has closed what it had of ours, its memory holds no key, token, assertion or secret any more."""
import subprocess

from leaks import found_in_memory
from test_secrets import FILES, KICKOFF, Scene, repeating


def close_and_look(t, kind, alg="ES384"):
    if b"__asan_init" in t.program.read_bytes() or b"__tsan_init" in t.program.read_bytes():
        t.skip("a sanitizer keeps terabytes of shadows, and copies of what was freed")
    scene = Scene(t, kind, alg)
    key, passphrase, secret = "", "", ""
    if kind == "secret":
        secret = t.dir / "keys/client-secret"
    else:
        key = scene.identity[1]
    if kind == "pem":
        passphrase = t.dir / "keys/passphrase"
    for method, path, status, document in (("POST", "/token", 503, None), ("GET", KICKOFF, 401, None), ("GET", FILES, 401, None)):
        scene.payer.when(method, path, repeating(scene, status, document), times=1)  # errors pass through other places
    arguments = [scene.payer.fhir_url, key, passphrase, secret, t.certificates.ca, t.dir / "out", t.dir / "state"]
    client = subprocess.Popen([t.program.parent / "tests/e2e/afterwards", *map(str, arguments)], env={**t.env, **scene.env},
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=t.dir)
    try:
        line = client.stdout.readline()
        assert line.startswith(b"0 "), line
        assert len(scene.payer.tokens) == 3 and len(scene.payer.seen("POST", "/token")) == 4
        scene.secrets.add_payer(scene.payer)
        found = found_in_memory(client.pid, scene.secrets, {"key", "passphrase", "client secret", "assertion", "token"})
    finally:
        client.stdin.close()
        assert client.wait() == 0
    assert not found, "\n".join(sorted(found))
    scene.search(**{"state/tokens/token-*.json": {"token"}})  # which runs share


def test_an_ec_key_its_assertions_and_tokens_are_gone_afterwards(t):
    close_and_look(t, "jwk")


def test_an_ed25519_key_is_gone_afterwards(t):
    close_and_look(t, "jwk", "EdDSA")


def test_an_rsa_key_is_gone_afterwards(t):
    close_and_look(t, "jwk", "RS384")


def test_a_sealed_key_and_its_passphrase_are_gone_afterwards(t):
    close_and_look(t, "pem")


def test_a_sealed_rsa_key_is_gone_afterwards(t):
    close_and_look(t, "pem", "RS384")


def test_a_client_secret_is_gone_afterwards(t):
    close_and_look(t, "secret")
