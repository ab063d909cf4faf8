# SPDX-License-Identifier: Apache-2.0
"""Other people's accidents that show on the wire alone; tests/accidents.json lists them all."""
import http.client
import urllib.parse

from partner import Partner
from serve import Serve


def partner_of(t):
    (t.dir / "data").mkdir()
    (t.dir / "data/Patient.ndjson").write_text('{"resourceType":"Patient","id":"1"}\n')
    return Partner(t, Serve(t))


def ask(partner, method, target, headers=(), body=None):
    """As it is written: (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", partner.server.about["port"], timeout=60)
    connection.putrequest(method, target)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text


def test_a_token_in_a_query_or_a_body_lets_nobody_in(t):
    partner = partner_of(t)
    token = partner.token()
    for target in (f"/fhir/Group?access_token={token}", f"/fhir/Patient/$export?access_token={token}"):
        assert ask(partner, "GET", target, [("Prefer", "respond-async")])[0] == 401, target
    form = urllib.parse.urlencode({"access_token": token}).encode()
    status, _ = ask(partner, "POST", "/fhir/Patient/$export", [("Prefer", "respond-async"), *partner.FORM.items()], form)
    assert status == 401
    assert token not in partner.server.said()  # neither, although it was in a URL


def test_two_authorization_headers_are_none(t):
    partner = partner_of(t)
    good = ("Authorization", f"Bearer {partner.token()}")
    assert ask(partner, "GET", "/fhir/Group", [good])[0] in (200, 403)
    for other in (("Authorization", "Bearer x"), ("authorization", "Basic eDp5"), good):
        for headers in ([good, other], [other, good]):
            assert ask(partner, "GET", "/fhir/Group", headers)[0] in (400, 401), headers
    for value in ("Bearer", "Bearer  x", f"Bearer {good[1][7:]} x", f"Bearer {good[1][7:]},Bearer x", good[1].replace(" ", "\t")):
        assert ask(partner, "GET", "/fhir/Group", [("Authorization", value)])[0] in (400, 401), value


def test_a_path_that_is_written_otherwise_is_no_way_around_the_token(t):
    partner = partner_of(t)
    token = partner.token()
    manifest = partner.export(token)
    job, file = (urllib.parse.urlsplit(url).path for url in (partner.job, manifest["output"][0]["url"]))
    for path in ("/fhir/$export", "/fhir/Patient/$export", "/fhir/Group", job, file):
        start, last = path.rsplit("/", 1)
        ways = [path.replace("$", "%24"), path.replace("/", "//"), path + "/", path + "/.", path + ";x", path + ";x=/metadata", path + "%00",
                path + "%2e", f"/fhir/metadata/..{path.removeprefix('/fhir')}", f"/fhir/metadata/%2e%2e{path.removeprefix('/fhir')}",
                f"/fhir/metadata;{path}", f"{start}/%2F{last}", f"{start}\\{last}", path.upper(), f"/fhir/.well-known/smart-configuration/..{path}",
                f"http://127.0.0.1{path}", f"http://elsewhere.example{path}", path.replace("fhir", "%66hir"), f"{path}?/metadata", f"{path}%3fx"]
        for way in ways:
            status, text = ask(partner, "GET", way, [("Prefer", "respond-async")])
            assert status in (400, 401, 404, 405), (way, status)
            assert '"Patient"' not in text and "transactionTime" not in text, way
        for method in ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "PUT"):
            status, text = ask(partner, method, path)
            assert status in (400, 401, 404, 405, 501), (method, path, status)
    assert partner.ask("GET", partner.job, token).status == 200
