# SPDX-License-Identifier: Apache-2.0
"""A real browser, by its own protocol over a pipe (Chrome DevTools): no driver is needed, nothing listens.

Pages are opened, filled in and looked at as a person would; what the browser complains of (a policy that was broken, a file
that is missing) is kept in `complaints`."""
import base64
import json
import os
import select
import shutil
import subprocess
import time

DEADLINE_S = 60


def find():
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


class Browser:
    def __init__(self, folder, width=1280, height=900, dark=False, scripts=True):
        to_child, self.write_fd = os.pipe()
        self.read_fd, from_child = os.pipe()
        self.number, self.buffer, self.events, self.complaints = 0, b"", [], []

        def pipes():
            # the protocol's descriptors are 3 and 4; both ends are first moved out of their way
            a, b = os.dup(to_child), os.dup(from_child)
            while a < 5:
                a = os.dup(a)
            while b < 5:
                b = os.dup(b)
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.closerange(5, 256)

        self.process = subprocess.Popen(
            [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
             "--hide-scrollbars", "--ignore-certificate-errors", f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pipes,
            close_fds=False, start_new_session=True)
        os.close(to_child)
        os.close(from_child)
        targets = self.call("Target.getTargets", session=False)["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", session=False, targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Network.setCacheDisabled", cacheDisabled=True)
        if not scripts:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.look(width, height, dark)

    # the protocol

    def call(self, method, session=True, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def receive(self):
        end = time.monotonic() + DEADLINE_S
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_fd], [], [], max(0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self.read_fd, 1 << 16)
            assert piece, "the browser is gone"
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(line)
        method = message.get("method")
        if method == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(message["params"]))
        elif method == "Network.responseReceived" and message["params"]["type"] == "Document":
            self.status, self.headers = (message["params"]["response"][k] for k in ("status", "headers"))
        if method:
            self.events.append(method)
        return message

    def until_loaded(self):
        while "Page.loadEventFired" not in self.events:
            self.receive()

    # what a person does

    def open(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.until_loaded()

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def text(self):
        return self.run("document.body.innerText")

    def fill(self, selector, value):
        assert self.run(f"(e => {{ if (e) e.value = {json.dumps(value)}; return !!e }})"
                        f"(document.querySelector({json.dumps(selector)}))"), f"there is no {selector}"

    def click(self, selector):
        """A link or a button that leads to another page."""
        self.events.clear()
        assert self.run(f"(e => {{ if (e) e.click(); return !!e }})(document.querySelector({json.dumps(selector)}))"), \
            f"there is no {selector}"
        self.until_loaded()

    def button(self, text):
        self.events.clear()
        find_it = f"[...document.querySelectorAll('button, a')].find(e => e.innerText.trim() === {json.dumps(text)})"
        assert self.run(f"(e => {{ if (e) e.click(); return !!e }})({find_it})"), f"there is no button {text}"
        self.until_loaded()

    def look(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def is_wider_than_screen(self):
        return self.run("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def picture(self, path):
        """The whole page, however long."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def end(self):
        try:
            self.call("Browser.close", session=False)
        except (AssertionError, OSError):
            self.process.kill()
        self.process.wait()
        os.close(self.write_fd)
        os.close(self.read_fd)
