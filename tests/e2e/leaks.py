# SPDX-License-Identifier: Apache-2.0
"""What must not be found, in every form in which somebody might write it; and a program that is looked at while it runs."""
import base64
import json
import os
import re
import subprocess
import urllib.parse
from pathlib import Path

from context import DEADLINE_S, Result

SHORTEST = 10  # of a form: shorter ones stand in any text
BASE64URL = bytes.maketrans(b"+/", b"-_")


def base64_inside(secret):
    """What base64 makes of it wherever it stands in what is encoded: less the characters that its neighbours share."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret).rstrip(b"=")
        begin = (before * 8 + 5) // 6
        end = (before + len(secret)) * 8 // 6
        yield text[begin:end]


def forms(secret):
    """{form}: as it is, base64 and base64url, percent-encoded, JSON-escaped, hexadecimal."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for text in base64_inside(secret):
        found |= {text, text.translate(BASE64URL)}
    percent = urllib.parse.quote_from_bytes(secret, safe="").encode()
    found |= {percent, re.sub(rb"%..", lambda m: m[0].lower(), percent), percent.replace(b"%20", b"+")}
    try:
        text = secret.decode()
        for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            found |= {escaped.encode(), escaped.replace("/", "\\/").encode()}
    except UnicodeDecodeError:
        pass
    return {form for form in found if len(form) >= SHORTEST}


class Secrets:
    """A run's own. `kind`: key, token, assertion, client secret, passphrase, patient."""

    def __init__(self):
        self.forms = {}

    def add(self, kind, secret):
        secret = secret if isinstance(secret, bytes) else secret.encode()
        for form in forms(secret):
            self.forms[form] = kind

    def add_number(self, number):
        """Big-endian; words of the other order are how OpenSSL's BIGNUM has it in memory."""
        self.add("key", number)
        self.add("key", number[::-1])

    def add_jwk(self, path):
        for key in [json.loads(Path(path).read_text())]:
            for member in ("d", "p", "q", "dp", "dq", "qi"):
                if member in key:
                    self.add("key", key[member])
                    self.add_number(base64.urlsafe_b64decode(key[member] + "=="))

    def add_pem(self, path):
        """Each line of its body, the numbers inside (as `openssl` tells them); not its public half."""
        body = Path(path).read_bytes().split(b"\n")
        for line in [line for line in body if line and not line.startswith(b"-")][:2]:
            self.add("key", line)

    def add_assertion(self, assertion):
        self.add("assertion", assertion)
        self.add("assertion", assertion.rsplit(".", 1)[-1])

    def add_payer(self, payer):
        for request in payer.seen("POST", "/token"):
            if "client_assertion" in request.form():
                self.add_assertion(request.form()["client_assertion"])
        for token in payer.tokens:
            self.add("token", token)

    def find(self, content):
        """The kinds that are in it."""
        return {kind for form, kind in self.forms.items() if form in content}

    def places(self, content, kinds):
        """(offset, kind) of each."""
        for form, kind in self.forms.items():
            at = content.find(form) if kind in kinds else -1
            while at >= 0:
                yield at, kind
                at = content.find(form, at + 1)


def regions(pid):
    """(begin, end, name, locked) of what the process may write to."""
    head = None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line):
            head = int(match[1], 16), int(match[2], 16), match[4], match[3]
        elif line.startswith("VmFlags:") and head[3].startswith("rw"):
            yield *head[:3], "lo" in line.split()


def contents(pid):
    """(begin, name, locked, bytes) of what the process may write to, as far as there is something behind it."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, name, locked in regions(pid):
            memory.seek(begin)
            content = bytearray()
            try:
                while len(content) < end - begin and (piece := memory.read(end - begin - len(content))):
                    content += piece
            except OSError:
                pass  # it is gone, or has nothing behind it
            yield begin, name, locked, bytes(content)


def found_in_memory(pid, secrets, kinds=None, locked_too=True):
    """{what and where} of the secrets (of `kinds`; None: all) in a process's memory."""
    kinds = kinds or set(secrets.forms.values())
    found = set()
    for begin, name, locked, content in contents(pid):
        if locked_too or not locked:
            found |= {f"{kind} at {begin + at:x} in {name or 'nameless'} memory" for at, kind in secrets.places(content, kinds)}
    return found


def unlocked(pid, secrets, kinds):
    """{what and where} of the secrets in memory that may be swapped out."""
    return found_in_memory(pid, secrets, kinds, locked_too=False)


def children_of(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            found += [int(child), *children_of(int(child))]
    return found


class Watched:
    """The program, its output in files below the test's folder, and all that others can see of it while it runs."""

    count = 0

    def __init__(self, t, *args, env=None, preexec=None, stdin=None):
        Watched.count += 1
        self.t, self.taken, self.seen = t, False, {}
        self.name = f"run-{Watched.count}"
        self.out_path, self.err_path = (t.dir / f"{self.name}.{end}" for end in ("out", "err"))
        with open(self.out_path, "xb") as out, open(self.err_path, "xb") as err:
            self.popen = subprocess.Popen([str(a) for a in [t.program, *args]], cwd=t.dir, env={**t.env, **(env or {})},
                                          stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=preexec)
        t.processes.append(self)

    def look(self):
        """Command line, environment, open files that have no name below the test's folder; of its children too."""
        if self.taken:
            return
        try:
            for pid in [self.popen.pid, *children_of(self.popen.pid)]:
                self.look_at(Path(f"/proc/{pid}"))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended meanwhile

    def look_at(self, proc):
        core = re.search(r"Max core file size +(\S+) +(\S+)", (proc / "limits").read_text())
        assert core.groups() == ("0", "0"), f"core dumps are not off: {core[0]}"
        self.seen[proc / "cmdline", (proc / "cmdline").read_bytes()] = True
        if os.geteuid() != 0:
            for name in ("environ", "mem", "maps"):  # hidden from its own user too, as of any process that cannot be dumped
                try:
                    (proc / name).open("rb").close()
                except PermissionError:
                    continue
                raise AssertionError(f"its own user may read {proc / name}")
            return
        self.seen[proc / "environ", (proc / "environ").read_bytes()] = True
        for fd in (proc / "fd").iterdir():
            try:
                if fd.is_file() and self.t.dir not in fd.readlink().parents:
                    self.seen[fd.readlink(), fd.read_bytes()[:1 << 20]] = True
            except OSError:
                pass  # it was closed meanwhile

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self):
        code = self.popen.wait(timeout=DEADLINE_S)
        self.taken = True
        out, err = self.out_path.read_bytes(), self.err_path.read_bytes()
        assert b"Sanitizer" not in err or code < 0, err
        return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def expect(self, *codes):
        result = self.wait()
        assert result.code in codes, f"wanted exit {codes}\n{result}"
        return result

    def end(self):
        if not self.taken:
            self.popen.kill()
            self.wait()
