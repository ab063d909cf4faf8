# SPDX-License-Identifier: Apache-2.0
"""A partner's program: its keys and assertions are made by another implementation (jose)."""
import base64
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

from context import wait_until

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "system/Patient.rs system/Coverage.rs"


def jose(*args, text=None):
    run = subprocess.run(["jose", *map(str, args)], input=text, capture_output=True, text=True)
    assert run.returncode == 0, f"jose {args}: {run.stderr}"
    return run.stdout


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Partner:
    """A program of somebody else's that talks to a payer: `server` has url, register_url and ca (None: plain http). Of a
    Serve it is given `groups`."""

    def __init__(self, t, server, scope=SCOPE, alg="ES384", registration=None, groups=("*",)):
        self.t, self.server = t, server
        self.context = ssl.create_default_context(cafile=server.ca) if server.ca else None
        self.token_url = self.ask("GET", "/.well-known/smart-configuration").json()["token_endpoint"]
        self.key_file = t.dir / "keys" / f"{uuid.uuid4()}.jwk"
        jose("jwk", "gen", "-i", json.dumps({"alg": alg}), "-o", self.key_file)
        key = json.loads(self.key_file.read_text())
        self.alg, self.kid = alg, "partner-key"
        self.key_file.write_text(json.dumps({**key, "kid": self.kid}))
        self.public = json.loads(jose("jwk", "pub", "-i", self.key_file, "-o", "-"))
        answer = self.send("POST", self.server.register_url, json.dumps({
            "client_name": "partner", "jwks": {"keys": [{**self.public, "use": "sig", "key_ops": ["verify"]}]},
            "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
            "scope": scope}).encode(), {"Content-Type": "application/json", **(registration or {})})
        assert answer.status == 201, answer.body
        self.registration = answer.json()
        self.client_id = self.registration["client_id"]
        if hasattr(server, "config") and groups:  # a payer that is in earnest gives nobody anything by itself
            given = [word for group in groups for word in ("--group", group)]
            t.run("clients", "set", "--config", server.config, *given, self.client_id)

    def send(self, method, url, body=None, headers=None):
        request = urllib.request.Request(url, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, refused.headers, refused.read())

    def ask(self, method, path, token=None, body=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            names["Authorization"] = f"Bearer {token}"
        return self.send(method, path if "://" in path else self.server.url + path, body, names)

    def thumbprint(self):
        """As its people would read it out."""
        return jose("jwk", "thp", "-a", "S256", "-i", self.key_file).strip()

    def change_registration(self, **changes):
        metadata = {name: self.registration[name] for name in ("client_id", "client_name", "scope", "jwks")}
        return self.send("PUT", self.registration["registration_client_uri"], json.dumps({**metadata, **changes}).encode(),
                         {"Content-Type": "application/json",
                          "Authorization": f"Bearer {self.registration['registration_access_token']}"})

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": self.token_url, "iat": now, "exp": now + 240,
                  "jti": str(uuid.uuid4()), **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(self, header=None, **changes):
        protected = {"alg": self.alg, "kid": self.kid, "typ": "JWT", **(header or {})}
        template = {"protected": {k: v for k, v in protected.items() if v is not None}}
        return jose("jws", "sig", "-I", "-", "-k", self.key_file, "-s", json.dumps(template), "-c",
                    text=json.dumps(self.claims(**changes))).strip()

    FORM = {"Content-Type": "application/x-www-form-urlencoded"}

    def token_form(self, assertion, extra=(), **changes):
        form = {"grant_type": "client_credentials", "client_assertion_type": JWT_BEARER, "client_assertion": assertion,
                "scope": SCOPE, **changes}
        return urllib.parse.urlencode([(name, value) for name, value in form.items() if value is not None] + list(extra)).encode()

    def ask_token(self, assertion, extra=(), headers=None, **changes):
        return self.send("POST", self.token_url, self.token_form(assertion, extra, **changes), {**self.FORM, **(headers or {})})

    def token(self):
        answer = self.ask_token(self.assertion())
        assert answer.status == 200, answer.body
        return answer.json()["access_token"]

    def export(self, token, path="/Patient/$export", **headers):
        """The manifest."""
        kickoff = self.ask("GET", path, token, Prefer="respond-async", Accept="application/fhir+json", **headers)
        assert kickoff.status == 202, kickoff.body
        self.job = kickoff.headers["Content-Location"]
        answers = []

        def done():
            answers.append(self.ask("GET", self.job, token))
            return answers[-1].status != 202
        wait_until(done, "the export")
        assert answers[-1].status == 200, answers[-1].body
        return answers[-1].json()
