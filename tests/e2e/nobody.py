# SPDX-License-Identifier: Apache-2.0
"""The program as somebody without privileges runs it, and that somebody's other programs, though the tests may run as root."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NOBODY = 65534


def become():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


class Nobody:
    """A folder that is theirs, with a copy of the program: where we built it they may have no way to."""

    def __init__(self, t):
        self.dir = Path(tempfile.mkdtemp(prefix="sb-e2e-nobody-"))
        self.program = Path(shutil.copy(t.program, self.dir))
        for library in (t.program.parent / "src").glob("libsmartbulk.so.?"):
            shutil.copy(library, self.dir)
        for path in (self.dir, *self.dir.iterdir()):
            path.chmod(0o700)
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        self.env = {**os.environ, "LD_LIBRARY_PATH": str(self.dir), "HOME": str(self.dir), "XDG_STATE_HOME": str(self.dir),
                    "XDG_RUNTIME_DIR": str(self.dir), "TMPDIR": str(self.dir)}

    def start(self, *args):
        return subprocess.Popen([self.program, *args], cwd=self.dir, env=self.env, preexec_fn=become, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def try_to_read(self, path):
        """What another program of theirs hears."""
        run = subprocess.run(["cat", path], env=self.env, preexec_fn=become, cwd=self.dir, capture_output=True, check=False)
        return run.stdout, run.stderr.decode()

    def remove(self):
        shutil.rmtree(self.dir)
