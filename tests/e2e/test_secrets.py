# SPDX-License-Identifier: Apache-2.0
"""Every byte that a run leaves anywhere is searched for its private key, tokens, assertions, secrets and patients."""
import fnmatch
import json
import secrets
import signal
import subprocess

import data
from leaks import Secrets, Watched
from payer import Reply, as_json, outcome

STATUS = r"/fhir/status/\d+"
FILES = r"/files/.*"
KICKOFF = r"/fhir/.*export"

# Where what may be: the files that a person gave us, the token that runs share, the request that a resume repeats.
ALLOWED = {"keys/*.jwk": {"key"}, "keys/*.pem": {"key"}, "keys/passphrase": {"passphrase"},
           "keys/client-secret": {"client secret"}, "keys/patients": {"patient"}, "run/smartbulk/token-*.json": {"token"},
           "*/.smartbulk/journal.db*": {"patient"}}


def may_hold(path, more):
    return set().union(*(kinds for pattern, kinds in {**ALLOWED, **more}.items() if fnmatch.fnmatch(path, pattern)))


class Scene:
    """A payer, and a client of it whose every secret is known and hard to overlook."""

    def __init__(self, t, kind="jwk", alg="ES384"):
        self.t, self.runs, self.secrets = t, [], Secrets()
        self.env, self.count = {}, 0
        for name in ("tmp", "umask"):
            (t.dir / name).mkdir(exist_ok=True)
        self.env["TMPDIR"] = str(t.dir / "tmp")
        self.payer = t.payer(data.files(patients=3))
        self.payer.give_token = self.give_token
        self.answer, self.payer.answer = self.payer.answer, self.watched_answer
        self.identity = getattr(self, "identity_" + kind)(alg)
        self.patients = [f"Patient/pt-{secrets.token_hex(12)}" for _ in range(3)]
        for patient in self.patients:
            self.secrets.add("patient", patient.removeprefix("Patient/"))
        self.private("patients", "\n".join(self.patients) + "\n")

    def private(self, name, text):
        path = self.t.dir / "keys" / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def identity_jwk(self, alg):
        key = self.t.key("scene.jwk", "--alg", alg)
        self.secrets.add_jwk(key)
        return ["--key", key]

    def encrypted(self, alg):
        plain, sealed = self.t.dir / "keys/plain.pem", self.t.dir / "keys/sealed.pem"
        self.passphrase = f'p&s "{secrets.token_urlsafe(18)}" +/é%'
        self.secrets.add("passphrase", self.passphrase)
        kind = ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"] if alg == "ES384" else ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", plain], check=True, capture_output=True)
        subprocess.run(["openssl", "pkcs8", "-topk8", "-in", plain, "-out", sealed, "-passout",
                        f"file:{self.private('passphrase', self.passphrase)}"], check=True, capture_output=True)
        sealed.chmod(0o600)
        text = subprocess.run(["openssl", "pkey", "-in", plain, "-noout", "-text"], check=True, capture_output=True, text=True).stdout
        for name in ("priv", "privateExponent", "prime1", "prime2"):
            lines = text.partition(f"{name}:\n")[2].splitlines()
            number = "".join(line.strip() for line in lines[:next((i for i, l in enumerate(lines) if l[0] != " "), 0)])
            if number:
                self.secrets.add_number(bytes.fromhex(number.replace(":", "")).lstrip(b"\0"))
        self.secrets.add_pem(plain)
        self.secrets.add_pem(sealed)
        return sealed

    def identity_pem(self, alg):
        return ["--key", self.encrypted(alg), "--passphrase-file", self.t.dir / "keys/passphrase"]

    def identity_pem_env(self, alg):
        key = self.encrypted(alg)
        self.env["SCENE_PASSPHRASE"] = self.passphrase
        return ["--key", key, "--passphrase-env", "SCENE_PASSPHRASE"]

    def identity_secret(self, _alg):
        secret = f"cs+/%{secrets.token_urlsafe(24)}"
        self.secrets.add("client secret", secret)
        return ["--auth", "client_secret_basic", "--client-secret-file", self.private("client-secret", secret + "\n")]

    # the payer

    def watched_answer(self, request, server):
        for run in self.runs:
            run.look()
        return self.answer(request, server)

    def give_token(self, request):
        """One with every character that RFC 6750 allows and somebody might escape."""
        import time
        with self.payer.lock:
            token = f"tok+/~{secrets.token_urlsafe(24)}/+.=="
            self.payer.tokens[token] = time.monotonic() + self.payer.token_lifetime
        return as_json(200, {"access_token": token, "token_type": "bearer", "expires_in": self.payer.token_lifetime,
                             "scope": request.form().get("scope", "")})

    # runs

    def who(self):
        return [self.payer.fhir_url, "--client-id", "client-1", *self.identity, "--ca-file", self.t.certificates.ca]

    def start(self, *args, **how):
        how["env"] = {**self.env, **how.pop("env", {})}
        run = Watched(self.t, *args, **how)
        self.runs.append(run)
        return run

    def export(self, *options, to=None, **how):
        self.count += 1
        self.to = to or f"out-{self.count}"
        return self.start("export", *self.who(), "--patients", "--patient-file", self.t.dir / "keys/patients", "--to",
                          self.t.dir / self.to, "--verbose", *options, **how)

    def resume(self, *options):
        env = {"env": self.env}
        more = ["--passphrase-env", "SCENE_PASSPHRASE"] if "SCENE_PASSPHRASE" in self.env else []
        return self.start("resume", self.t.dir / self.to, "--verbose", *more, *options, **env)

    # what they left

    def search(self, stdout=(), **more):
        """Everything; `stdout`: kinds that standard output may hold, for it was asked for."""
        self.secrets.add_payer(self.payer)
        found = []
        for path in self.t.dir.rglob("*"):
            name = str(path.relative_to(self.t.dir))
            found += [f"{kind} in a name: {name}" for kind in self.secrets.find(name.encode())]
            if path.is_file() and not path.is_symlink():
                kinds = self.secrets.find(path.read_bytes()) - may_hold(name, more)
                kinds -= set(stdout) if name.endswith(".out") else set()
                found += [f"{kind} in {name}" for kind in kinds]
        for run in self.runs:
            for where, content in run.seen:
                found += [f"{kind} in {where}" for kind in self.secrets.find(content)]
        assert not found, "\n".join(sorted(set(found)))
        assert not list(self.t.dir.rglob("core*")), "a core file was left"


def everything(request):
    """What we sent, as some server's error pages repeat it."""
    return "\n".join([f"{request.method} {request.path}", *(f"{k}: {v}" for k, v in request.headers.items()),
                      request.body.decode(errors="replace"), request.token or ""])


def good_export(scene):
    for options in ([], ["--json"], ["--no-token-cache"]):
        scene.export(*options).expect(0)
        scene.t.expect_files(scene.payer.files, to=scene.to)
    scene.search()


def test_a_good_export_with_a_jwk_writes_no_secret(t):
    good_export(Scene(t))


def test_a_good_export_with_an_ed25519_key_writes_no_secret(t):
    good_export(Scene(t, alg="EdDSA"))


def test_a_good_export_with_a_sealed_key_writes_no_secret(t):
    good_export(Scene(t, "pem"))


def test_a_good_export_with_a_sealed_rsa_key_and_its_passphrase_in_the_environment_writes_no_secret(t):
    good_export(Scene(t, "pem_env", "RS384"))


def test_a_good_export_with_a_client_secret_writes_no_secret(t):
    good_export(Scene(t, "secret"))


TOKEN_REFUSALS = [
    ("POST", "/token", 401, {"error": "invalid_client"}), ("POST", "/token", 400, {"error": "invalid_scope"}),
    ("POST", "/token", 400, None), ("POST", "/token", 503, None), ("POST", "/token", 200, {}),
    ("GET", "/fhir/.well-known/smart-configuration", 500, None)]
JOB_REFUSALS = [
    ("POST", KICKOFF, 400, None), ("POST", KICKOFF, 401, None), ("POST", KICKOFF, 403, None), ("POST", KICKOFF, 500, None),
    ("POST", KICKOFF, 202, None), ("GET", STATUS, 401, None), ("GET", STATUS, 404, None), ("GET", STATUS, 500, None),
    ("GET", STATUS, 200, None), ("DELETE", STATUS, 500, None)]
FILE_REFUSALS = [("GET", FILES, status, None) for status in (401, 403, 500, 200)]


def repeating(scene, status, document):
    """An answer that repeats all that it was sent, in its body and in its headers."""
    def action(request):
        said = everything(request)
        if request.path != "/token":  # the one who was never told of them
            said += "\n" + "\n".join(scene.patients)
        line = " ".join(said.split())[:6000]
        headers = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{line}"', "Retry-After": "0",
                   "X-Progress": line, "Warning": line}
        if document is not None:
            return as_json(status, {**document, "error_description": said, "error_uri": f"https://payer.example/?{line}"}, headers)
        return outcome(status, "processing", said, headers)
    return action


def refused(scene, refusals):
    for number, (method, path, status, document) in enumerate(refusals):
        for options in (["--json"], []) if number % 3 == 0 else ([],):
            scene.payer.rules.clear()
            scene.payer.when(method, path, repeating(scene, status, document), times=None if status < 500 else 1)
            result = scene.export("--no-token-cache", *options).expect(0, 1, 2, 3, 4, 5, 6)
            assert result.code != 0 or status >= 500, f"{method} {path} {status}\n{result}"
    scene.search()


def test_a_refused_token_writes_no_secret_even_if_all_that_was_sent_is_repeated(t):
    refused(Scene(t), TOKEN_REFUSALS)


def test_a_refused_client_secret_is_not_written_even_if_it_is_repeated(t):
    refused(Scene(t, "secret"), TOKEN_REFUSALS)


def test_a_refused_export_writes_no_secret_even_if_all_that_was_sent_is_repeated(t):
    refused(Scene(t), JOB_REFUSALS)


def test_a_refused_file_writes_no_secret_even_if_all_that_was_sent_is_repeated(t):
    refused(Scene(t), FILE_REFUSALS)
