# SPDX-License-Identifier: Apache-2.0
"""Somebody at the portal, without a browser: a cookie, the pages, the forms on them."""
import html
import http.client
import re
import urllib.parse


class Person:
    def __init__(self, t, serve, who, *options):
        link = t.run("link", "--config", serve.config, *options, who).out.strip()
        self.link = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["link"][0]
        self.serve, self.cookie, self.bodies = serve, None, []
        self.host = urllib.parse.urlsplit(serve.base_url).netloc
        self.open(f"/portal/sign-in?link={self.link}")
        self.post("/portal/sign-in", link=self.link)
        self.session = self.cookie.partition("=")[2]

    def ask(self, method, path, body=None):
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.host}"}
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if given := answer.headers["Set-Cookie"]:
            self.cookie = given.partition(";")[0]
        self.bodies.append(text + str(answer.headers).encode())
        return answer.status, text.decode()

    def open(self, path):
        status, text = self.ask("GET", path)
        if found := re.search(r'name="form_token" value="([^"]*)"', text):
            self.form_token = html.unescape(found[1])
        return status

    def post(self, path, **fields):
        return self.ask("POST", path, urllib.parse.urlencode({"form_token": self.form_token, **fields}))[0]
