# SPDX-License-Identifier: Apache-2.0
"""What we make is ours alone, what is planted is not followed, and what is secret stays in locked memory, even in a crash."""
import os
import re
import signal
from pathlib import Path

from leaks import unlocked
from nobody import Nobody
from test_secrets import FILES, STATUS, Scene, repeating

UMASKS = (0, 0o777, 0o277)
BAD = [("Coverage", b'{"resourceType":"Coverage","id":"1"}\nno resource\n')]


def with_umask(mask):
    return lambda: os.umask(mask)


def expect_private(folder, given=()):
    """All of it 0600 and 0700, but for what the test itself made."""
    for path in [folder, *folder.rglob("*")]:
        if path not in given and not path.is_symlink():
            mode = path.stat().st_mode & 0o7777
            assert mode == (0o700 if path.is_dir() else 0o600), f"{path.name} has mode {mode:04o}"


def test_all_that_is_made_is_ours_alone_whatever_the_umask(t):
    scene = Scene(t)
    scene.payer.files += BAD
    for number, mask in enumerate(UMASKS):
        how = {"preexec": with_umask(mask)}
        keys = t.dir / f"new-{number}"
        keys.mkdir()
        scene.start("key", "new", "-o", keys / "a.jwk", **how).expect(0)
        scene.env["XDG_STATE_HOME"], scene.env["XDG_RUNTIME_DIR"] = str(t.dir / f"state/{number}"), str(t.dir / f"run/{number}")
        (t.dir / f"run/{number}").mkdir(mode=0o700)
        hold = scene.payer.hold("GET", FILES, times=1)
        run = scene.export(to=f"a{number}/out", **how)
        hold.wait_arrived()
        expect_private(t.dir / f"a{number}")  # half-way: parts, journal and its companions
        run.signal(signal.SIGKILL)
        hold.open()
        run.wait()
        scene.start("resume", t.dir / scene.to, **how).expect(6)  # a file was rejected
        scene.start("verify", t.dir / scene.to, **how).expect(1, 6)
        scene.start("token", *scene.who(), "--types", "Patient", **how).expect(0, 2)
        for folder in (keys, t.dir / f"a{number}", t.dir / f"state/{number}", t.dir / f"run/{number}"):
            assert folder.exists() or folder.parent.name == "state", folder
            if folder.exists():
                expect_private(folder)


FOLDERS = (".smartbulk", ".smartbulk/parts", "rejected")
PLANTED = (".smartbulk/lock", ".smartbulk/journal.db", ".smartbulk/journal.db-wal", ".smartbulk/journal.db-shm",
           ".smartbulk/parts/0.part", ".smartbulk/parts/0.bad", ".smartbulk/parts/manifest.part", "Patient.000.ndjson",
           "rejected/Coverage.000.ndjson", "manifest.json", "manifest.json.tmp", "log.ndjson")


def expect_not_followed(scene, name, target):
    """Nothing of the target's changed; and the link is gone, or the message names it."""
    place = scene.t.dir / f"planted-{scene.count}"
    link = place / name
    link.parent.mkdir(parents=True, exist_ok=True)
    for folder in (place, link.parent):
        folder.chmod(0o700)
    link.symlink_to(target)
    before = look(target)
    result = scene.export("--no-token-cache", to=place.name).wait()
    assert look(target) == before, f"a link named {name} was followed\n{result}"
    if link.is_symlink():
        assert result.code not in (0, 6), f"{name} is a link still\n{result}"
        named = name if name.startswith(".smartbulk") else name.split("/")[0]  # what is in a folder before an export is
        assert named in result.err, f"the message does not name {name}\n{result}"


def look(path):
    if path.is_dir():
        return oct(path.stat().st_mode), sorted(p.name for p in path.iterdir())
    return (oct(path.stat().st_mode), path.read_bytes()) if path.exists() else None


def test_a_link_planted_anywhere_in_the_output_folder_is_not_followed(t):
    scene = Scene(t)
    scene.payer.files += BAD
    for number, name in enumerate(FOLDERS):
        elsewhere = t.dir / f"elsewhere-{number}"
        elsewhere.mkdir(mode=0o755)
        elsewhere.chmod(0o755)
        expect_not_followed(scene, name, elsewhere)
    for number, name in enumerate(PLANTED):
        theirs = t.dir / f"theirs-{number}"
        theirs.write_bytes(b"theirs")
        theirs.chmod(0o644)
        expect_not_followed(scene, name, theirs)
        expect_not_followed(scene, name, t.dir / f"nothing-{number}")


def test_a_link_planted_while_an_export_runs_is_not_followed(t):
    scene = Scene(t)
    scene.payer.files += BAD
    for number, name in enumerate(("Patient.000.ndjson", "rejected", ".smartbulk/parts/7.part")):
        target = t.dir / f"target-{number}"
        target.mkdir() if name == "rejected" else target.write_bytes(b"theirs")
        target.chmod(0o755)
        hold = scene.payer.hold("GET", FILES)
        run = scene.export("--no-token-cache")
        hold.wait_arrived()
        (t.dir / scene.to / name).symlink_to(target)
        before = look(target)
        hold.open()
        result = run.expect(0, 1, 2, 6)
        assert look(target) == before, f"a link named {name} was followed\n{result}"
        assert not (t.dir / scene.to / name).is_symlink() or name in result.err or ".smartbulk" in name, result


def in_the_middle(scene):
    """An export that waits for a file; its process, and what lets it go on."""
    hold = scene.payer.hold("GET", FILES, times=1)
    run = scene.export("--no-token-cache")
    hold.wait_arrived()
    return run, hold


def secret_in_locked_memory_alone(t, kind, alg="ES384"):
    if os.geteuid() != 0:
        t.skip("another process's memory is not for us to read: see that it is refused in test_secrets")
    if b"__asan_init" in t.program.read_bytes():
        t.skip("AddressSanitizer does not let anybody lock memory")
    scene = Scene(t, kind, alg)
    run, hold = in_the_middle(scene)
    ending = scene.payer.hold("DELETE", STATUS, times=1)
    found = unlocked(run.popen.pid, scene.secrets, {"key", "passphrase", "client secret"})
    hold.open()
    ending.wait_arrived()
    found |= unlocked(run.popen.pid, scene.secrets, {"key", "passphrase", "client secret"})
    ending.open()
    run.expect(0)
    assert not found, "\n".join(sorted(found))
    scene.search()


def test_an_ec_key_is_in_locked_memory_alone(t):
    secret_in_locked_memory_alone(t, "jwk")


def test_an_ed25519_key_is_in_locked_memory_alone(t):
    secret_in_locked_memory_alone(t, "jwk", "EdDSA")


def test_a_sealed_key_and_its_passphrase_are_in_locked_memory_alone(t):
    secret_in_locked_memory_alone(t, "pem")


def test_a_passphrase_from_the_environment_is_in_locked_memory_alone(t):
    secret_in_locked_memory_alone(t, "pem_env")


def test_an_rsa_key_is_in_locked_memory_alone(t):
    secret_in_locked_memory_alone(t, "jwk", "RS384")


def test_a_sealed_rsa_key_is_in_locked_memory_alone(t):
    secret_in_locked_memory_alone(t, "pem", "RS384")


def test_a_client_secret_is_in_locked_memory_alone(t):
    secret_in_locked_memory_alone(t, "secret")


def with_nobody(t, test):
    nobody = Nobody(t)
    try:
        test(nobody)
    finally:
        nobody.remove()


def test_not_even_its_own_user_may_look_into_it(t):
    def promise(nobody):
        run = nobody.start("sandbox", "--json", "--patients", "1")
        try:
            assert run.stdout.readline(), "the sandbox did not start"
            proc = Path(f"/proc/{run.pid}")
            assert nobody.try_to_read(proc / "status")[0], "what is everybody's to see"
            for name in ("environ", "maps", "smaps", "auxv", "mem"):
                content, said = nobody.try_to_read(proc / name)
                assert not content and "Permission denied" in said, f"its own user may read {name}: {said}"
            assert proc.joinpath("mem").stat().st_uid == 0, "it is still its user's: so it can be traced and dumped"
            core = re.search(r"Max core file size +(\S+) +(\S+)", (proc / "limits").read_text())
            assert core.groups() == ("0", "0"), core[0]
        finally:
            run.send_signal(signal.SIGABRT)
            _, status = os.waitpid(run.pid, 0)
            run.returncode = status
            run.stdout.close()
        assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status), f"it was dumped, wherever to: {status:x}"
        assert not list(nobody.dir.rglob("core*"))
    with_nobody(t, promise)


def crash(scene, number):
    run, hold = in_the_middle(scene)
    run.look()  # at the limit of core files too
    run.signal(number)
    result = run.wait()
    hold.open()
    assert result.code == -number, result
    scene.search()


def test_an_abort_leaves_no_core_and_no_secret(t):
    crash(Scene(t, "pem_env"), signal.SIGABRT)


def test_a_segmentation_fault_leaves_no_core_and_no_secret(t):
    if b"__asan_init" in t.program.read_bytes():
        t.skip("AddressSanitizer takes the signal, and ends by itself")
    crash(Scene(t, "secret"), signal.SIGSEGV)


def test_commands_on_keys_and_tokens_write_no_secret(t):
    scene = Scene(t, "pem_env")
    made = t.dir / "keys/made.jwk"
    for alg in ("ES384", "RS384", "EdDSA"):
        scene.start("key", "new", "--alg", alg, "-o", made).expect(0)
        scene.secrets.add_jwk(made)
        scene.start("key", "new", "--alg", alg, "-o", made).expect(2)  # it is there
        scene.start("key", "show", made).expect(0)
        scene.start("key", "jwks", made).expect(0)
        made.rename(t.dir / f"keys/{alg}.jwk")
    scene.start("key", "jwks", *scene.identity[1:]).expect(0)
    asked = []
    for options in ([], ["--no-token-cache"]):  # one after the other: each is looked at while it runs, not while it starts
        asked.append(scene.start("token", *scene.who(), "--scope", "system/Patient.rs", *options))
        asked[-1].expect(0)
    scene.payer.when("POST", "/token", repeating(scene, 400, {"error": "invalid_client"}))
    scene.start("token", *scene.who(), "--scope", "system/Patient.rs", "--no-token-cache").expect(3)
    scene.search(stdout={"token"})  # it was asked for
    for run in asked:
        run.out_path.unlink()
