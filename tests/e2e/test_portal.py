# SPDX-License-Identifier: Apache-2.0
"""The partners' pages of the portal, in a real browser without scripts: what the payer offers, clients registered and
checked, assertions explained. Pictures of the pages are in each test's folder (run.py --keep)."""
import http.server
import json
import re
import ssl
import threading

import browser
import data
from partner import Partner
from serve import Serve

HOSTILE = "<script>document.title='hit'</script> \"&' Co"


class Guest:
    """A payer whose registration waits for a person, and a browser in which a partner's engineer is signed in."""

    def __init__(self, t, registration="pending", **settings):
        if not browser.find():
            t.skip("there is no chromium")
        self.t = t
        data.write_folder(t.dir / "data", data.files())
        auth = {"registration": registration, **settings.pop("auth", {})}
        self.serve = Serve(t, portal={"enabled": True}, audit={"file": "audit.ndjson"}, auth=auth, **settings)
        self.browser = browser.Browser(t.dir / "home" / "chromium", scripts=False)

    def sign_in(self, who="jane@aco.example", *options):
        link = self.t.run("link", "--config", self.serve.config, *options, who).out.strip()
        self.browser.open(self.serve.base_url + "/portal/" + link.partition("/portal/")[2])  # the port was drawn
        self.browser.button("Sign in")

    def open(self, path, status=200):
        self.browser.open(self.serve.base_url + "/portal" + path)
        assert self.browser.status == status, f"{path}: {self.browser.status}\n{self.browser.text()}"
        return self.browser.text()

    def see(self, *texts):
        text = self.browser.text()
        for one in texts:
            assert one in text, f"there is no '{one}' in\n{text}"

    def picture(self, name):
        self.browser.picture(self.t.dir / f"{name}.png")

    def pictures(self, name):
        """Of a screen, and of a phone in the dark; nothing is wider than it."""
        for width, height, dark, end in ((1280, 900, False, ""), (390, 844, True, "-phone")):
            self.browser.look(width, height, dark)
            assert not self.browser.is_wider_than_screen(), name
            self.picture(name + end)
        self.browser.look(1280, 900)

    def end(self):
        self.browser.end()
        complaints = [c for c in self.browser.complaints if "responded with a status of 4" not in c]  # refusals are pages
        assert not complaints, complaints


def guest(test=None, **settings):
    """The browser ends with the test."""
    def wrap(test):
        def run(t):
            g = Guest(t, **settings)
            try:
                test(g)
            finally:
                g.end()
        run.__name__ = test.__name__
        return run
    return wrap(test) if test else wrap


def new_key(t, name="payer.jwk"):
    """A private key in the folder for keys; its public half."""
    path = t.dir / "keys" / name
    t.run("key", "new", "-o", path)
    return path, json.loads(t.run("key", "jwks", path).out)


@guest
def test_a_partner_registers_with_a_key_set_and_gets_tokens_once_approved(g):
    path, keys = new_key(g.t)
    g.sign_in()
    g.browser.button("Register a client")
    g.pictures("register")
    g.browser.fill("#name", "Acme ACO, claims import")
    g.browser.fill("#set", json.dumps(keys))
    g.browser.button("Check the keys")
    g.see("These keys can be registered", "for ES384", "Nothing is registered yet")
    g.pictures("register-checked")
    g.browser.button("Register")
    g.see("Acme ACO, claims import", "Waits for approval", "token", keys["keys"][0]["kid"])
    g.pictures("client-pending")
    client_id = g.browser.run("new URL(location.href).searchParams.get('id')")
    thumbprint = json.loads(g.t.run("key", "show", "--json", path).out)[0]["thumbprint"]
    g.t.run("clients", "approve", "--config", g.serve.config, "--group", "*", "--thumbprint", thumbprint, client_id)
    g.open(f"/client?id={client_id}")
    g.see("It may ask for tokens")
    g.open("/clients")
    g.see(client_id, "active")
    g.pictures("clients")
    token = g.t.run("token", g.serve.url, "--client-id", client_id, "--key", path)
    assert token.out.strip(), token


@guest
def test_each_mistake_of_a_form_is_shown_where_it_is(g):
    g.sign_in()
    g.open("/clients/new")
    g.browser.fill("#scope", "patient/*.read")
    g.browser.fill("#set", json.dumps({"keys": [
        {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "a"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "b"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "c"}, {"kty": "EC"}]}))
    g.browser.button("Register")
    assert g.browser.status == 400
    g.see("Not registered", "It has 17 bits", "The client needs a name", "system/*.read", "Key 1 is passed over", "P-521", "Key 2 cannot be used",
          "Key 3 cannot be used", "Key 4 cannot be used")
    g.pictures("register-mistakes")


@guest
def test_what_strangers_write_is_text(g):
    _, keys = new_key(g.t)
    g.sign_in(HOSTILE)
    g.open("/clients/new")
    g.browser.fill("#name", HOSTILE)
    g.browser.fill("#contact", HOSTILE)
    g.browser.fill("#set", json.dumps(keys))
    g.browser.button("Register")
    g.see(HOSTILE)
    g.open("/clients")
    g.see(HOSTILE)
    assert "hit" != g.browser.run("document.title")


@guest(registration="open")
def test_the_debugger_shows_each_check_of_ones_own_assertions_and_uses_nothing_up(g):
    partner = Partner(g.t, g.serve)
    g.sign_in("jane@aco.example", "--client", partner.client_id)
    g.browser.button("Token debugger")
    g.pictures("debugger")
    good = partner.assertion()
    g.browser.fill("#assertion", good)
    g.browser.button("Look at it")
    g.see("Every check passes", partner.client_id, "s ahead of this server's clock")
    g.pictures("debugger-good")
    assert good not in g.browser.run("document.documentElement.outerHTML")
    assert partner.ask_token(good).status == 200  # it was not used up
    for claims, reason in (({"aud": "https://elsewhere.example"}, "aud_wrong"), ({"exp": 1}, "expired"),
                           ({"sub": "x"}, "sub_not_iss")):
        g.browser.fill("#assertion", "grant_type=client_credentials&client_assertion=" + partner.assertion(**claims))
        g.browser.button("Look at it")
        g.see("It gets no token", reason)
    g.browser.fill("#assertion", partner.assertion(aud="https://elsewhere.example")[:-8] + "AAAAAAAA")
    g.browser.button("Look at it")
    g.see("signature_invalid", "aud_wrong")  # all that is wrong at once
    g.pictures("debugger-bad")


@guest(registration="open")
def test_the_debugger_tells_nothing_of_others_clients(g):
    partner = Partner(g.t, g.serve)
    g.sign_in("mallory@rival.example")

    def ask(assertion):
        g.open("/debugger")
        g.browser.fill("#assertion", assertion)
        g.browser.button("Look at it")
        return g.browser.text()

    theirs = ask(partner.assertion())
    nobody = "0" * len(partner.client_id)
    nobodys = ask(partner.assertion(iss=nobody, sub=nobody))
    assert "client_unknown" in theirs and "signature_invalid" not in theirs

    def compare(text):  # but for who is named, and seconds
        return re.sub(r"\d+ s (ahead of|behind) ", "", text.replace(partner.client_id, nobody).partition("What it says")[0])

    assert compare(theirs) == compare(nobodys), (theirs, nobodys)
    g.see("It names no client of yours")


class KeyServer:
    """A partner's web server, over TLS: `documents` by path; others redirect."""

    def __init__(self, t):
        self.documents, self.asked = {}, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, dict(self.headers)))
                body = outer.documents.get(self.path)
                self.send_response(200 if body else 302)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *args):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*t.certificates.good)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_jwks_url_is_fetched_on_the_spot_and_each_problem_is_named(t):
    path, keys = new_key(t)
    server = KeyServer(t)
    server.documents = {"/good": json.dumps(keys).encode(), "/empty": b'{"keys":[]}', "/page": b"<html>"}
    g = Guest(t, auth={"jwks_networks": ["127.0.0.0/8"], "jwks_ca_file": str(t.certificates.ca)})
    try:
        g.sign_in()

        def check(url, button="Check the keys"):
            g.open("/clients/new")
            g.browser.fill("#name", "Acme")
            g.browser.fill("#url", url)
            g.browser.button(button)
            return g.browser.text()

        for url, problem in ((server.url + "/empty", "no key that can be used"), (server.url + "/page", "JSON"),
                             (server.url + "/moved", "302"), ("https://127.0.0.1:1/", "connect"),
                             ("http://jwks.example/", "https"), ("https://10.0.0.1/", "address"),
                             ("https://user:word@jwks.example/", "user")):
            text = check(url)
            assert problem in text and "can be registered\n" not in text, (url, text)
        g.pictures("register-url-bad")
        assert all(path != "/elsewhere" for path, _ in server.asked), "a redirect was followed"
        assert "for ES384" in check(server.url + "/good")
        check(server.url + "/good", "Register")
        g.see("Waits for approval", server.url + "/good")
        assert all("Cookie" not in headers and "Authorization" not in headers for _, headers in server.asked)
    finally:
        server.end()
        g.end()


@guest
def test_everybody_sees_what_is_offered_and_nothing_else(g):
    g.open("")
    g.see("Claims in bulk")
    g.pictures("home")
    g.browser.button("Endpoints and limits")
    g.see(g.serve.url, "/token", "RS384", "system/Patient.rs", "5 minutes", "1 day", "429 with Retry-After")
    g.pictures("offer")
    assert not g.browser.run("document.cookie")
    for path in ("/clients", "/clients/new", "/client?id=x", "/debugger"):
        g.open(path, 403)
        g.see("Please sign in")
    g.open("/sign-in?link=x", 403)
    g.open("/none", 404)


@guest(registration="open")
def test_a_partner_sees_why_tokens_were_refused(g):
    partner = Partner(g.t, g.serve)
    g.sign_in("jane@aco.example", "--client", partner.client_id)
    g.open(f"/client?id={partner.client_id}")
    g.see("None, as far as was looked back")
    assert partner.ask_token(partner.assertion(aud="https://elsewhere.example")).status == 401
    assert partner.ask_token(partner.assertion(), scope="system/Patient.d").status == 400
    g.open(f"/client?id={partner.client_id}")
    g.see("aud_wrong", "aud is not this server", "scope_not_allowed", "127.0.0.1")
    g.pictures("client-refusals")


@guest
def test_a_session_ends_with_signing_out(g):
    g.sign_in()
    g.open("/clients")
    g.browser.button("Sign out")
    g.open("/clients", 403)
    assert "Set-Cookie" not in g.browser.headers
