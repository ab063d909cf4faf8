# SPDX-License-Identifier: Apache-2.0
"""What run.py and payer_run.py plan alike."""
import board as boards

KIND_OF = {boards.FULL: "disk full", boards.FULL_ONCE: "disk full", boards.SYNC_FAILS: "sync fails",
           boards.SYNC_ONCE: "sync fails", **{how: "power cut" for how in boards.CUTS}}


def evenly(tasks, size):
    return tasks if len(tasks) <= size else [tasks[n * len(tasks) // size] for n in range(size)]


REACHED_PERCENT = 80  # of the strikes that were planned: threads meet at other points than in the run that counted them


def missed(planned, reached):
    """Of which kinds so few strikes were reached that nothing is proved: one line each. Both count by kind."""
    return [f"{kind}: of {n} strikes {reached[kind]} were reached" for kind, n in planned.items()
            if reached[kind] * 100 < n * REACHED_PERCENT]


def close(planned, counts, failures, kills_min):
    """The last lines, and the exit status. Who was not reached has passed nothing."""
    wrong = missed(planned, counts)
    if counts["kill"] < kills_min:
        wrong.append(f"{counts['kill']} kills: {kills_min} at least prove something")
    for line in wrong:
        print(f"FAILED  {line}")
    passed = counts["struck"] + counts["tolerated"] + counts["second kick-off"]
    print(f"{passed} passed, {len(failures) + len(wrong)} failed")
    return 1 if failures or wrong or not passed else 0
