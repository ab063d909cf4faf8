# SPDX-License-Identifier: Apache-2.0
"""`smartbulk serve` while it runs: its configuration, what it says of itself, its log."""
import json
import signal

from context import wait_until

DEFAULTS = {"base_url": "http://127.0.0.1:0", "listen": "127.0.0.1:0", "database": "payer.db", "auth": {"registration": "open"},
            "data": {"folder": "data"}, "exports": {"folder": "exports", "retry_after": 1}, "drain": 5}


class Serve:
    """`limits`: what the process does before it is the program. Settings are merged into DEFAULTS, key by key; None takes one out. JSON is YAML."""

    def __init__(self, t, name="serve", ca=None, limits=None, **settings):
        merged = json.loads(json.dumps(DEFAULTS))
        for key, value in settings.items():
            if isinstance(value, dict):
                merged[key] = {k: v for k, v in {**merged.get(key, {}), **value}.items() if v is not None}
            elif value is None:
                merged.pop(key, None)
            else:
                merged[key] = value
        self.t, self.settings, self.ca, self.limits = t, merged, ca, limits
        self.config = t.dir / f"{name}.yaml"
        self.write()
        self.start()
        t.serves.append(self)

    def write(self):
        self.config.write_text(json.dumps(self.settings, indent=1))

    def start(self):
        self.process = self.t.start("serve", "--config", self.config, "--json", limits=self.limits)
        line = self.process.popen.stdout.readline()
        assert line, f"it did not start: {self.process.wait()}"
        self.about = json.loads(line)
        self.url = self.about["fhirUrl"]
        self.base_url = self.url.removesuffix("/fhir")
        self.register_url = self.base_url + "/register"
        self.admin_url = f"http://127.0.0.1:{self.about['adminPort']}"

    def reload(self):
        """The configuration as it is now is read; returns when that is done."""
        self.write()
        before = self.said().count("the configuration was read again")
        self.process.signal(signal.SIGHUP)
        wait_until(lambda: self.said().count("the configuration was read again") > before, "a reload")

    def said(self):
        """stderr so far."""
        self.process.err.seek(0)
        return self.process.err.read()

    def events(self):
        """The log of requests so far."""
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == "request"]

    def end(self):
        if self.process.taken:
            return None
        self.process.signal(signal.SIGTERM)
        result = self.process.wait()
        assert result.code == 0 and "Sanitizer" not in result.err, result
        return result

    def restart(self):
        self.end()
        self.start()

    def kill(self):
        self.process.kill()
