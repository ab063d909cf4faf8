# SPDX-License-Identifier: Apache-2.0
"""What a test is given: a folder of its own, the built program to run there, payers to run it against.

After each test everything is ended and every output and file is searched for the secrets that were in play."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from payer import DEADLINE_S, Payer

PRIVATE = {"state", "run", "keys"}  # folders of a test where secrets may lie: token cache, our own keys


class Skip(Exception):
    pass


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """For what only a look can tell, such as a file that another program writes."""
    pause, end = threading.Event(), time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"in vain: waited for {what}"
        pause.wait(0.01)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Process:
    """The program while it runs. Ended by its own id, at the latest after the test."""

    def __init__(self, args, cwd, env, log, limits=None):
        self.log, self.taken = log, False
        self.err = tempfile.TemporaryFile(mode="w+", errors="replace")  # not a pipe: nobody reads before the end
        self.popen = subprocess.Popen([str(a) for a in args], cwd=cwd, env=env, stdin=subprocess.DEVNULL, text=True,
                                      stdout=subprocess.PIPE, stderr=self.err, errors="replace",
                                      preexec_fn=limits)

    def wait(self, deadline_s=DEADLINE_S):
        out, _ = self.popen.communicate(timeout=deadline_s)
        self.taken = True
        self.err.seek(0)
        err = self.err.read()
        self.log.append(out + err)
        return Result(self.popen.returncode, out, err)

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """As a power cut would."""
        self.popen.kill()
        return self.wait()

    def end(self):
        if not self.taken:
            self.kill()


class Sandbox:
    """`smartbulk sandbox`, and what it says of itself: the line that it is ready with, and one for each request."""

    def __init__(self, t, *options, tls=True):
        self.process = t.start("sandbox", *(["--tls"] if tls else []), "--json", "--verbose", *options)
        line = self.process.popen.stdout.readline()
        assert line, f"the sandbox did not start: {self.process.wait()}"
        self.about = json.loads(line)
        self.url, self.register_url = self.about["fhirUrl"], self.about["registerUrl"]
        if tls:
            self.ca = t.dir / "sandbox-ca.pem"  # its own goes with it
            shutil.copy(self.about["caFile"], self.ca)

    def end(self):
        """End it as a person does; its summary, and its log of requests."""
        self.process.signal(signal.SIGTERM)
        result = self.process.wait()
        assert result.code == 0 and "Sanitizer" not in result.err, result
        return json.loads(result.out.splitlines()[-1]), [json.loads(line) for line in result.err.splitlines()]


class Context:
    def __init__(self, program, certificates, folder, project):
        self.program, self.certificates, self.project = program, certificates, project
        self.dir = Path(folder)
        self.dir.mkdir()
        for name in PRIVATE:
            (self.dir / name).mkdir(mode=0o700)
        (self.dir / "home").mkdir()
        self.processes, self.payers, self.sandboxes, self.serves, self.log = [], [], [], [], []
        self.env = {**os.environ, "HOME": str(self.dir / "home"), "XDG_STATE_HOME": str(self.dir / "state"),
                    "XDG_RUNTIME_DIR": str(self.dir / "run"), "XDG_CONFIG_HOME": str(self.dir / "home/.config"),
                    "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        for name in ("https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY",
                     "SMARTBULK_CONFIG"):
            self.env.pop(name, None)

    def skip(self, reason):
        raise Skip(reason)

    # programs

    def start(self, *args, limits=None):
        process = Process([self.program, *args], self.dir, self.env, self.log, limits)
        self.processes.append(process)
        return process

    def run(self, *args, code=0, limits=None, deadline_s=DEADLINE_S):
        """Run to its end; `code` is what it must exit with."""
        result = self.start(*args, limits=limits).wait(deadline_s)
        assert result.code == code, f"wanted exit {code} from {' '.join(map(str, args))}\n{result}"
        assert "Sanitizer" not in result.err, result.err
        return result

    # payers

    def payer(self, files=(), certificate=None, **settings):
        payer = Payer(certificate or self.certificates.good, files, **settings)
        self.payers.append(payer)
        return payer

    def sandbox(self, *options, **settings):
        sandbox = Sandbox(self, *options, **settings)
        self.sandboxes.append(sandbox)
        return sandbox

    def key(self, name="acme.jwk", *options):
        path = self.dir / "keys" / name
        self.run("key", "new", "-o", path, *options)
        return path

    def client(self, payer, key=None):
        """The options that make us a client of the fake payer."""
        key = key or (self.dir / "keys/acme.jwk" if (self.dir / "keys/acme.jwk").exists() else self.key())
        return [payer.fhir_url, "--client-id", "client-1", "--key", key, "--ca-file", self.certificates.ca]

    def export(self, payer, *options, code=0, to="out", limits=None, level="--patients", deadline_s=DEADLINE_S):
        return self.run("export", *self.client(payer), level, "--to", self.dir / to, *options, code=code,
                        limits=limits, deadline_s=deadline_s)

    def start_export(self, payer, *options, to="out", level="--patients"):
        return self.start("export", *self.client(payer), level, "--to", self.dir / to, *options)

    # what is on disk

    def received(self, to="out", below="."):
        """{name: bytes} of the NDJSON files in the export's folder (or a folder below it)."""
        folder = self.dir / to / below
        return {p.name: p.read_bytes() for p in sorted(folder.glob("*.ndjson")) if p.name != "log.ndjson"}

    def expect_files(self, files, to="out", below="."):
        """Byte for byte what the payer has, in the manifest's order by type."""
        received, counters, wanted = self.received(to, below), {}, {}
        for resource_type, content in files:
            n = counters[resource_type] = counters.get(resource_type, -1) + 1
            wanted[f"{resource_type}.{n:03d}.ndjson"] = content
        assert sorted(received) == sorted(wanted), f"files: {sorted(received)}, wanted {sorted(wanted)}"
        for name, content in wanted.items():
            assert received[name] == content, f"{name} differs from the payer's"

    def events(self, to="out"):
        lines = (self.dir / to / "log.ndjson").read_text().splitlines()
        return [json.loads(line) for line in lines]

    # the end

    def finish(self):
        for sandbox in self.sandboxes:
            if not sandbox.process.taken:
                sandbox.end()
        for serve in self.serves:
            serve.end()
        for process in self.processes:
            process.end()
        for payer in self.payers:
            payer.stop()

    def search_secrets(self):
        secrets = [s.encode() for payer in self.payers for s in payer.secrets() if len(s) > 8]
        for key in (self.dir / "keys").glob("*"):
            found = re.findall(rb'"d"\s*:\s*"([^"]+)"', key.read_bytes())
            secrets += found
        outputs = "\n".join(self.log).encode()
        for secret in secrets:
            assert secret not in outputs, "a secret was printed"
        for path in self.dir.rglob("*"):
            if path.is_file() and path.relative_to(self.dir).parts[0] not in PRIVATE:
                content = path.read_bytes()
                for secret in secrets:
                    assert secret not in content, f"a secret is in {path.relative_to(self.dir)}"

    def remove(self):
        self.remove_tree(self.dir)

    @staticmethod
    def remove_tree(folder):
        for path in Path(folder).rglob("*"):  # some were made read-only
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
