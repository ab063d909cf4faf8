# SPDX-License-Identifier: Apache-2.0
"""Exports that live longer than tokens do. In a module of its own, for it takes as long as ten tokens live."""
import data
from test_sandbox import client

TOKENS, LIFETIME_S = 10, 2


def test_an_export_outlives_ten_tokens(t):
    what = data.files()
    sandbox = t.sandbox("--data", data.write_folder(t.dir / "data", what), "--token-lifetime", str(LIFETIME_S),
                        "--job-seconds", str(TOKENS * LIFETIME_S + 1))
    t.run("export", *client(t, sandbox), "--patients", "--to", t.dir / "out", "--no-token-cache")
    t.expect_files(what)
    t.run("verify", t.dir / "out")
    summary, _ = sandbox.end()
    assert summary["tokensIssued"] >= TOKENS, summary
    assert summary["unauthorized"] == 0, "a token was used after its end"
