# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of a test's own: a cluster in a folder under /tmp (its socket's path must be short), ended with the test."""
import ctypes
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

from context import wait_until

NOBODY = 65534  # a server refuses to run as root
PR_SET_PDEATHSIG = 1


def _become():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


class Postgres:
    """`password`: of its only user, who gets in without one if it is None."""

    def __init__(self, t, password=None):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            t.skip("there is no PostgreSQL on this machine (package postgresql)")
        self.bin = Path(found[-1]).parent
        self.dir = Path(tempfile.mkdtemp(prefix="sb-e2e-pg-"))
        if os.geteuid() == 0:
            os.chown(self.dir, NOBODY, NOBODY)
        subprocess.run([self.bin / "initdb", "-D", self.dir / "data", *self.asks(password), "-U", "sb", "-E", "UTF8", "--locale=C",
                        "--no-sync"], check=True, capture_output=True, preexec_fn=_become, cwd=self.dir)
        self.url = f"postgresql:///postgres?host={self.dir}&user=sb" if password is None else self.url_with(password)
        self.log = open(self.dir.parent / f"{self.dir.name}.log", "wb")
        self.start()

    def asks(self, password):
        if password is None:
            return ["-A", "trust"]
        file = self.dir / "password"
        file.write_text(password)
        if os.geteuid() == 0:
            os.chown(file, NOBODY, NOBODY)
        return ["-A", "scram-sha-256", "--pwfile", file]

    def url_with(self, password):
        return f"postgresql://sb:{urllib.parse.quote(password, safe='')}@/postgres?host={self.dir}"

    def hang(self):
        """Whoever connects waits, until it goes on."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def start(self):
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", self.dir / "data", "-k", self.dir, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=self.log, stderr=self.log, preexec_fn=_become, cwd=self.dir)
        wait_until(lambda: self.ready() == 0, "PostgreSQL")

    def ready(self):
        return subprocess.run([self.bin / "pg_isready", "-q", "-h", self.dir, "-U", "sb"], check=False).returncode

    def stop(self):
        """As when its machine goes down."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def end(self):
        self.stop()
        self.log.close()
        os.unlink(self.log.name)
        shutil.rmtree(self.dir)
