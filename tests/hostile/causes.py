# SPDX-License-Identifier: Apache-2.0
"""What a run of the program says of why it failed: its last message's what and why, the summary's bad files, and what
log.ndjson's events of failures say. Nothing of it is said by a run that nothing happens to."""
import json
import re

MESSAGE = re.compile(r"^smartbulk: (.*?)\n  why: (.*?)\n  fix: ", re.M | re.S)
AS_JSON = re.compile(r'"what":"((?:[^"\\]|\\.)*)".*?"why":"((?:[^"\\]|\\.)*)"')
BAD_FILES = re.compile(r"^bad       .*\n((?: {10}\S.*\n)+)", re.M)
URL = re.compile(r"\b(?:https?|file|ftp)://[^\s\"',;()]+")  # hold words of their own: token, status, file
ECHO = re.compile(r"; it begins with: .*")                   # the payer's words, not ours


def size_of(log):
    return log.stat().st_size if log.exists() else 0


def failures(log, start):
    """Of the events from `start` on, what those that tell of a failure say in words of ours."""
    if not log.exists():
        return
    with open(log, "rb") as file:
        file.seek(start)
        for line in file:
            event = json.loads(line)
            detail = event["eventDetail"]
            if event["eventId"].endswith("_error"):
                yield str(detail["message"]) if detail["message"] else f"answered {detail['code']}"
            elif detail.get("errorCode") is not None:
                yield f"answered {detail['errorCode']}: {detail['errorBody']}"


def of(result, log, start):
    """One text."""
    told = [" ".join(parts) for parts in MESSAGE.findall(result.err) + AS_JSON.findall(result.err + result.out)]
    if result.code in (0, 6):
        told += BAD_FILES.findall(result.err) + list(failures(log, start))
    return ECHO.sub("", URL.sub("@", "\n".join(told)))
