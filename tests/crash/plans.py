# SPDX-License-Identifier: Apache-2.0
"""What run.py and payer_run.py plan alike."""
import board as boards

KIND_OF = {boards.FULL: "disk full", boards.FULL_ONCE: "disk full", boards.SYNC_FAILS: "sync fails",
           boards.SYNC_ONCE: "sync fails", **{how: "power cut" for how in boards.CUTS}}


def evenly(tasks, size):
    return tasks if len(tasks) <= size else [tasks[n * len(tasks) // size] for n in range(size)]
