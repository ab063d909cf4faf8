# SPDX-License-Identifier: Apache-2.0
"""One scenario: a payer with faults that its seed chose, the program's run against it, and what must be true after."""
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import causes
import faults
import faults_answers
import faults_export
import faults_tls
from hosts import Page
from payer import Payer

DEADLINE_S = 150         # of the machine's time: whoever needs longer hangs
PEAK_MAX_KB = 64 * 1024  # of memory, however large what the payer sends
OUTPUT_MAX = 256 * 1024  # of words: nobody reads more, and a payer must not fill a disk with our log
CATALOGUES = (faults.CATALOGUE, faults_answers.CATALOGUE, faults_export.CATALOGUE, faults_tls.CATALOGUE)
LOGGED = ("file",)       # stages whose failures are events of log.ndjson even when the next try goes well
UNDISTURBED = 6          # runs that nothing happens to: with gzip and without, of one page and of more
DRAWS = 500              # of each kind of fault, to see the words of all its kinds
OURS = {"out", "state", "run", "page", "stdout", "stderr"}  # what may be in a scenario's folder
KEEPS = ("out", "state", "run")  # where the program may write
# What runs share a token by: that is what it is for; it is read by its owner alone, and never holds an assertion.
TOKEN_CACHE = re.compile(r"run/smartbulk/token-[0-9a-f]{64}\.(json|lock)")
IN_OUT = re.compile(r"[A-Za-z]+\.\d{3,}\.ndjson|manifest(\.\d{3})?\.json|log\.ndjson|\.smartbulk|rejected|error|deleted")
FAILURE_CODES = {1, 2, 3, 4, 5, 6, 7}


class Wrong(Exception):
    """A promise was broken."""


def expect(condition, what):
    if not condition:
        raise Wrong(what)


class Result:
    def __init__(self, code, out, err, end):
        self.code, self.out, self.err = code, out, err
        self.told, self.fds, self.threads, self.peak_kb, self.left = end

    def __str__(self):
        return f"exit {self.code}, peak {self.peak_kb} KB\n--- stdout\n{self.out}--- stderr\n{self.err}"


class Scenario:
    def __init__(self, seed, tools, folder):
        self.seed, self.tools, self.dir = seed, tools, Path(folder)
        self.rng = random.Random(f"hostile {seed}")
        self.dir.mkdir()
        self.page = Page(self.dir / "page")
        self.log = self.dir / "out/log.ndjson"
        self.payer = Payer(self.page, tools.contexts, self.rng)
        self.runs, self.faults = [], []
        self.befall(self.compose())

    # what happens

    def compose(self, anew=True):
        """`anew`: nothing was asked yet, so that the payer's data may be chosen, too."""
        chosen = [self.rng.choice(self.rng.choice(CATALOGUES))(self.rng) for _ in range(self.rng.choice([1, 1, 2, 3]))]
        if not anew:
            chosen = [f for f in chosen if not f.set_up]
        of_files = [f for f in chosen if f.set_up]
        for fault in of_files[:1]:  # they change the same file
            fault.set_up(self.payer)
        for fault in chosen:
            if fault.fit:
                fault.fit(self.payer)
        return [f for f in chosen if f not in of_files[1:]]

    def befall(self, chosen):
        """These stand before the payer from now on; all that ever did are remembered."""
        for fault in self.payer.faults:
            if fault.heal:
                fault.heal(self.payer)
        self.faults, self.payer.faults = self.faults + chosen, list(chosen)
        for fault in chosen:
            if fault.begin:
                fault.begin(self.payer)

    def program(self, *args):
        state, run = self.dir / "state", self.dir / "run"
        env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "XDG_STATE_HOME": str(state), "LC_ALL": "C.UTF-8",
               **{n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")}, "XDG_RUNTIME_DIR": str(run), "LD_PRELOAD": self.tools.preload, "FAST_TIME": str(self.page.path)}
        state.mkdir(exist_ok=True, mode=0o700)
        run.mkdir(exist_ok=True, mode=0o700)
        for fault in self.faults:
            fault.now = 0
        for fault in self.payer.faults:
            if fault.unseen:
                fault.note()
        logged = causes.size_of(self.log)
        self.page.begin()
        with open(self.dir / "stdout", "w+b") as out, open(self.dir / "stderr", "w+b") as err:
            process = self.process = subprocess.Popen([self.tools.program, *map(str, args)], cwd=self.dir, env=env,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            try:
                code = process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)
                process.wait()
                code = "none: it hangs"
            words = []
            for file in (out, err):
                file.seek(0)
                words.append(file.read(OUTPUT_MAX + 1).decode(errors="replace"))
        result = Result(code, *words, self.page.end())
        result.causes = causes.of(result, self.log, logged)
        self.runs.append((" ".join(map(str, args[:1])), result))
        self.check_end(result)
        return result

    def ask_token(self):
        """`smartbulk token`, and once more when all is well again, should it fail. True: the payer is as hostile as
        before."""
        args = ("token", self.payer.fhir_url, "--client-id", "client-1", "--key", self.tools.key, "--ca-file",
                self.tools.ca, "--json")
        result = self.program(*args)
        self.check_code(result)
        if result.code == 0:
            return True
        self.befall([])
        result = self.program(*args)
        expect(result.code == 0, f"exit {result.code} for a token when all is well again")
        return False

    def run(self):
        payer = self.payer
        if self.rng.random() < 0.1 and not self.ask_token():
            return
        options = ["--threads", self.rng.choice([1, 2]), "--connections", self.rng.choice([1, 2, 8])]
        result = self.program("export", payer.fhir_url, "--client-id", "client-1", "--key", self.tools.key, "--ca-file",
                              self.tools.ca, "--patients", "--to", self.dir / "out", *options)
        self.check_code(result)
        self.check_files(result)
        if result.code != 0 and self.rng.random() < 0.3:
            former = list(self.faults)
            self.befall(self.compose(anew=False))
            result = self.resume(options)
            self.check_code(result, former)
        if result.code != 0:
            left = [f for f in self.faults if f.fired or f.set_up]
            after = set().union(*(f.after for f in left))
            self.befall([])
            result = self.resume(options)
            expect(result.code in after, f"exit {result.code} from a resume when all is well again: wanted {after}")
            self.check_cause(result, [f for f in left if result.code in f.after])
        if result.code == 0 and self.rng.random() < 0.1:
            result = self.program("verify", self.dir / "out")
            expect(result.code == 0, f"exit {result.code} from verify")
        self.check_secrets()

    def resume(self, options):
        """What was in its place before is not asked for again."""
        there, before = self.in_place(), set(self.payer.requests())
        result = self.program("resume", self.dir / "out", *options)
        self.check_files(result)
        if not self.payer.renamed:
            numbers = {str(self.wanted_files()[name][0]) for name in there}
            again = [r.path for r in self.payer.requests() if r.path.startswith("/files/") and r not in before and
                     r.path.rpartition("/")[2] in numbers]
            expect(not again, f"asked again for {again}")
        return result

    # what must be true

    def check_end(self, r):
        expect(r.code in (0, *FAILURE_CODES), f"exit {r.code}")
        expect("Sanitizer" not in r.err and "runtime error" not in r.err, "a sanitizer speaks")
        expect(r.told, "it ended without an end: _exit or a crash")
        expect(r.fds == 0, f"{r.fds} descriptors are left: {r.left}")
        expect(r.threads == 0, f"{r.threads} threads are left")
        expect(r.peak_kb <= PEAK_MAX_KB or self.tools.sanitized, f"{r.peak_kb} KB of memory")
        expect(len(r.out) <= OUTPUT_MAX and len(r.err) <= OUTPUT_MAX, "it does not stop talking")
        expect(r.code != 1 and "please report this" not in r.err, "it takes the payer's fault for its own")
        expect(not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", r.err + r.out), "it passes control characters on")
        if r.code not in (0, 6, 7):
            expect(re.search(r'  why: .*  fix: |"what":".*"why":".*"fix":"', r.err, re.S), "a message without its three parts")

    def fired(self):
        """Those that befell the program's last run."""
        return [f for f in self.faults if f.now]

    def borne(self, fault, unseen=0):
        """All that befell its stage, and as many tries that reached nobody, is what the program must bear."""
        together = [f for f in self.fired() if f.stage == fault.stage and f.codes != {0}]
        return fault.codes == {0} or sum(f.now for f in together) + unseen <= min(f.bears for f in together)

    def check_code(self, r, former=()):
        """`former`: faults of the runs before, which may have left what a resume cannot mend."""
        # While a peer is silent a second takes a millisecond, also for an honest host that is being connected to just then.
        unseen = r.err.count("no connection in time") if any(faults.SILENCE in f.words for f in self.fired()) else 0
        too_much = [f for f in self.fired() if not self.borne(f, unseen)]
        left = [f for f in former if f.fired or f.set_up]
        allowed = {0}.union(*(f.codes for f in too_much), *(f.after for f in left))
        if any(f.uncounted for f in self.fired()):  # tries that nobody saw add to those of the others
            too_much = self.fired()
            allowed = allowed.union(*(f.codes for f in too_much))
        if former and any(f.stage == "connect" for f in too_much):
            allowed |= {0, 6}  # what is left to do may be at the other host, but for the clean-up
        elif any(f.lasts and 0 not in f.codes for f in too_much):
            allowed.discard(0)
        if any(faults.SILENCE in f.words for f in self.fired()):
            # and the token of an honest answer that is sent just then may have died
            dying = [f for f in self.fired() if f.stage == "token" and f.codes == {0}]
            too_much = too_much + dying
            allowed |= {4} if dying else set()
        stages = {f.stage for f in self.fired()}
        if {"discovery", "metadata"} <= stages:  # which is what is tried next
            too_much = self.fired()
            allowed |= {4, 5}
        expect(r.code in allowed, f"wanted one of {sorted(allowed)}")
        self.check_cause(r, too_much + [f for f in left if r.code in f.after])

        if r.code in (0, 6):
            for fault in too_much + [f for f in self.fired() if f.stage in LOGGED]:
                if fault.name != "401" or fault.lasts:  # else it is borne silently
                    self.check_logged(r, fault)

    def check_logged(self, r, fault):
        """A file that came after all, or did not while others came: log.ndjson tells what each of its tries failed of."""
        if fault.stage in LOGGED and 0 not in fault.codes and fault.words:
            expect(re.search(fault.words, r.causes), f"{fault} is not told of: wanted /{fault.words}/ in\n{r.causes}\n")

    def check_cause(self, r, of):
        if r.code == 0:
            return
        words = "|".join(f.words for f in of if f.words)
        expect(words, "nothing that befell it has a name")
        expect(re.search(words, r.causes), f"nothing tells the cause: wanted /{words}/ in\n{r.causes}\n")

    def wanted_files(self):
        counters, wanted = {}, {}
        for n, (kind, content) in enumerate(self.payer.files):
            number = counters[kind] = counters.get(kind, -1) + 1
            wanted[f"{kind}.{number:03d}.ndjson"] = (n, content)
        return wanted

    def in_place(self):
        return {p.name: p for p in (self.dir / "out").glob("*.ndjson") if p.name != "log.ndjson"}

    def check_files(self, r):
        """What is in a file's place is that file; after success all are, and the payer's copy is gone."""
        out, wanted, there = self.dir / "out", self.wanted_files(), self.in_place()
        for path in (*self.dir.iterdir(), *out.iterdir()) if out.exists() else ():
            expect(path.name in OURS if path.parent == self.dir else IN_OUT.fullmatch(path.name), f"{path} is not ours")
        if self.payer.renamed:
            contents = [content for n, (_, content) in enumerate(self.payer.files) if n not in self.payer.bad]
            for name, path in there.items():
                expect(path.read_bytes() in contents, f"{name} is not what the payer has")
            return
        for name, path in there.items():
            expect(name in wanted, f"{name} is nobody's")
            number, content = wanted[name]
            expect(number not in self.payer.bad, f"{name} was accepted")
            expect(path.read_bytes() == content, f"{name} is not what the payer has")
        if r.code == 0:
            expect(sorted(there) == sorted(wanted), f"only {sorted(there)} came")
            parts = out / ".smartbulk/parts"
            expect(not parts.exists() or not any(parts.iterdir()), "parts are left over")
            kept = any(f.stage in ("delete", "connect") and f.fired for f in self.faults) or "could not be deleted" in r.err
            expect(self.payer.removed or kept, "the payer's copy was not deleted")

    def check_secrets(self):
        payer = self.payer
        secrets = [s.encode() for s in (*payer.tokens, *payer.assertions) if len(s) > 8]
        words = "".join(r.err if name == "token" else r.out + r.err for name, r in self.runs).encode()
        expect(not any(s in words for s in secrets), "a secret was printed")
        for path in (p for name in KEEPS for p in (self.dir / name).rglob("*")):
            if path.is_file() and not TOKEN_CACHE.fullmatch(str(path.relative_to(self.dir))):
                content = path.read_bytes()
                expect(not any(s in content for s in secrets), f"a secret is in {path}")
            elif path.is_file():
                expect(path.stat().st_mode & 0o777 == 0o600, f"others may read {path}")
                expect(not any(a.encode() in path.read_bytes() for a in payer.assertions), f"an assertion is in {path}")
        for request in payer.requests():
            self.check_request(request, secrets)

    def check_request(self, r, secrets):
        what = f"{r.method} {r.path} at {r.host.name}"
        expect(r.host.name != "plain", f"{what}: plain http was asked")
        if r.host.name != "payer":
            expect("authorization" not in r.headers and not any(s in r.raw for s in secrets), f"a secret went to {what}")
            return
        without = [r.raw.replace(f"Bearer {r.bearer}".encode(), b"", 1) if r.bearer else r.raw][0]
        if r.path == "/token" and r.method == "POST":
            expect("authorization" not in r.headers, f"{what}: with a token")
            return
        expect(not any(s in without for s in secrets), f"{what}: a secret beside the Authorization header")
        may = r.path in self.payer.redirected or r.path.startswith("/fhir/") and "well-known" not in r.path or r.path.startswith(
            "/files/") and (self.payer.requires_token or self.payer.renamed)
        expect(may or not r.bearer, f"{what}: with a token that nobody asked for")

    # the end

    def story(self):
        lines = [f"faults: {'; '.join(map(str, self.faults))}"]
        lines += [f"{name}: {result}" for name, result in self.runs]
        lines += [f"{r.method} {r.path} at {r.host.name}" for r in self.payer.requests()[-40:]]
        return "\n".join(lines)

    def close(self, keep):
        self.payer.close()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


class Undisturbed(Scenario):
    """Nothing happens to it."""

    def compose(self, anew=True):
        return []

    def said(self):
        """By a token and an export, all that is printed and logged."""
        args = self.payer.fhir_url, "--client-id", "client-1", "--key", self.tools.key, "--ca-file", self.tools.ca
        results = [self.program("token", *args), self.program("export", *args, "--patients", "--to", self.dir / "out")]
        expect(all(r.code == 0 for r in results), f"undisturbed, it fails\n{self.story()}")
        expect(not any(r.causes for r in results), f"undisturbed, it tells a cause\n{self.story()}")
        return causes.URL.sub("@", "\n".join([*(r.out + r.err for r in results), self.log.read_text()]))


def words_of_all():
    """{words: a fault that has them}, of as many draws of each kind as find them all."""
    rng = random.Random("words")
    drawn = [make(rng) for catalogue in CATALOGUES for make in dict.fromkeys(catalogue) for _ in range(DRAWS)]
    return {f.words: f for f in drawn if f.words}


def play_words(tools, folder):
    """Could the words that must tell of a fault be said of no fault, the check of messages would be none."""
    wrong, words = [], words_of_all()
    for seed in range(UNDISTURBED):
        scenario = Undisturbed(f"undisturbed {seed}", tools, Path(folder) / f"undisturbed-{seed}")
        try:
            said = scenario.said()
            wrong += [f"{fault}: its words match {match[0]!r} of a run that nothing happened to: /{fault.words}/"
                      for fault, match in ((f, re.search(f.words, said)) for f in words.values()) if match]
        except Wrong as e:
            wrong.append(str(e))
        scenario.close(False)
    return "\n".join(dict.fromkeys(wrong)) or None


def play(seed, tools, folder, keep=False):
    return play_one(Scenario(seed, tools, folder), tools, keep)


def play_one(scenario, tools, keep):
    """(None or what is wrong, faults that were injected, hours that were skipped, exit codes of its runs, seconds)"""
    began, wrong = time.monotonic(), None
    try:
        scenario.run()
    except Wrong as e:
        wrong = f"{e}\n{scenario.story()}"
    fired = sum(f.fired for f in scenario.faults)
    skipped_h = scenario.page.skipped_s() / 3600
    if tools.tell and not wrong:
        print(scenario.story(), flush=True)
    scenario.close(keep)
    return wrong, fired, skipped_h, [r.code for _, r in scenario.runs], time.monotonic() - began
