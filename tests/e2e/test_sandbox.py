# SPDX-License-Identifier: Apache-2.0
"""The main job against `smartbulk sandbox`: from no key at all to verified claims on disk."""
import json
import ssl
import subprocess
import urllib.error
import urllib.request

import data

SCOPE = "system/Patient.rs system/Coverage.rs system/ExplanationOfBenefit.rs"


def post(url, body, ca, kind="application/json"):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": kind})
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca), timeout=60) as answer:
        return json.load(answer)


def register(t, sandbox, key, scope=SCOPE):
    """By RFC 7591; the client id."""
    answer = post(sandbox.register_url, {
        "client_name": "e2e", "jwks": json.loads(t.run("key", "jwks", key).out), "scope": scope,
        "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt"}, sandbox.ca)
    return answer["client_id"]


def client(t, sandbox, scope=SCOPE):
    key = t.key()
    return [sandbox.url, "--client-id", register(t, sandbox, key, scope), "--key", key, "--ca-file", sandbox.ca]


def test_from_no_key_at_all_to_verified_claims_on_disk(t):
    what = data.files(patients=20)
    sandbox = t.sandbox("--data", data.write_folder(t.dir / "data", what))
    t.run("export", *client(t, sandbox), "--patients", "--to", t.dir / "out")
    t.expect_files(what)
    result = t.run("verify", t.dir / "out")
    assert "Sanitizer" not in result.err
    assert "20" in t.run("status", t.dir / "out").out


def test_the_real_claims_of_cms_come_back_byte_for_byte(t):
    maker = t.project.parent / "shared/data/cms/make-claims"
    if not maker.exists():
        t.skip("there is no ../shared/data beside the project")
    subprocess.run([maker, t.dir / "data", "--patients", "40", "--claims-per-patient", "5", "--file-mb", "1"],
                   check=True, capture_output=True)
    sandbox = t.sandbox("--data", t.dir / "data")
    t.run("export", *client(t, sandbox), "--patients", "--to", t.dir / "out")
    source = sorted((t.dir / "data").iterdir())
    t.expect_files([(p.name.split(".")[0], p.read_bytes()) for p in source])
    t.run("verify", t.dir / "out")


def test_made_up_claims_are_the_same_at_each_level_for_everybody(t):
    sandbox = t.sandbox("--patients", "30")
    who = client(t, sandbox)
    for level, name in ((["--patients"], "a"), (["--system"], "b"), (["--group", "all"], "c")):
        t.run("export", *who, *level, "--type", "Patient,Coverage,ExplanationOfBenefit", "--to", t.dir / name)
    assert t.received("a") and t.received("a") == t.received("b") == t.received("c")


def test_get_and_post_bring_the_same(t):
    sandbox = t.sandbox("--patients", "10")
    who = client(t, sandbox)
    for method in ("get", "post"):
        t.run("export", *who, "--patients", f"--{method}", "--type", "Patient", "--to", t.dir / method)
    assert t.received("get") == t.received("post")
    assert {name.split(".")[0] for name in t.received("get")} == {"Patient"}


def test_single_patients_can_be_asked_for(t):
    what = data.files(patients=5)
    sandbox = t.sandbox("--data", data.write_folder(t.dir / "data", what))
    t.run("export", *client(t, sandbox), "--patients", "--patient", "p1", "--patient", "p3", "--to", t.dir / "out")
    received = b"".join(t.received().values())
    for n in range(5):
        assert (f'"id":"p{n}"'.encode() in received) == (n in (1, 3))


def test_since_brings_only_what_changed(t):
    old = [("Patient", b"".join(data.patient(n, "2026-01-01T00:00:00.000Z") for n in range(3)) +
            data.patient(7, "2026-06-01T00:00:00.000Z"))]
    sandbox = t.sandbox("--data", data.write_folder(t.dir / "data", old))
    t.run("export", *client(t, sandbox), "--patients", "--since", "2026-03-01", "--type", "Patient",
          "--to", t.dir / "out")
    assert b"".join(t.received().values()) == data.patient(7, "2026-06-01T00:00:00.000Z")


def test_a_key_that_is_not_registered_is_refused_with_the_likely_causes(t):
    sandbox = t.sandbox("--patients", "2")
    key = t.key()
    client_id = register(t, sandbox, key)
    other = t.key("other.jwk")
    result = t.run("export", sandbox.url, "--client-id", client_id, "--key", other, "--ca-file", sandbox.ca,
                   "--patients", "--to", t.dir / "out", code=3)
    assert "invalid_client" in result.err and "key" in result.err, result


def test_a_client_id_that_nobody_knows_is_refused(t):
    sandbox = t.sandbox("--patients", "2")
    result = t.run("export", sandbox.url, "--client-id", "nobody", "--key", t.key(), "--ca-file", sandbox.ca,
                   "--patients", "--to", t.dir / "out", code=3)
    assert "invalid_client" in result.err and "nobody" in result.err, result


def test_types_beyond_the_scope_are_not_silently_left_out(t):
    sandbox = t.sandbox("--patients", "2")
    who = client(t, sandbox, scope="system/Patient.rs")
    t.run("export", *who, "--scope", "system/Patient.rs", "--patients", "--type", "Patient,Coverage",
          "--to", t.dir / "out", code=3)


def test_a_scope_that_lacks_all_types_is_answered_with_one_that_has_them(t):
    sandbox = t.sandbox("--patients", "2")
    result = t.run("export", *client(t, sandbox), "--scope", "system/Coverage.read", "--patients", "--type",
                   "Patient,ExplanationOfBenefit", "--to", t.dir / "out", code=3)
    assert '--scope "system/Patient.read system/ExplanationOfBenefit.read"' in result.err, result


def test_a_finished_export_stays_complete_when_it_is_cancelled(t):
    sandbox = t.sandbox("--patients", "3")
    t.run("export", *client(t, sandbox), "--patients", "--to", t.dir / "out")
    before = t.run("status", t.dir / "out").out
    assert "finished already" in t.run("cancel", t.dir / "out").err
    assert t.run("status", t.dir / "out").out == before
    t.run("verify", t.dir / "out")


def test_files_that_are_open_to_all_come_without_the_token(t):
    sandbox = t.sandbox("--patients", "5", "--open-files")
    t.run("export", *client(t, sandbox), "--patients", "--to", t.dir / "out")
    t.run("verify", t.dir / "out")
    assert t.received()


def test_on_loopback_it_goes_without_tls_too(t):
    key = t.key()
    (t.dir / "set.json").write_text(t.run("key", "jwks", key).out)
    sandbox = t.sandbox("--patients", "5", "--client-id", "demo", "--jwks", t.dir / "set.json", tls=False)
    t.run("export", sandbox.url, "--client-id", "demo", "--key", key, "--patients", "--to", t.dir / "out")
    assert sandbox.url.startswith("http://") and t.received()
