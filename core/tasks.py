"""Cancelling the tasks that run until the program stops."""

import asyncio


def is_wanted() -> bool:
    """Return False once the current task was cancelled: the condition of a loop that runs until then.

    The error that a cancellation raises can be lost in a library: before Python 3.12, asyncio.wait_for returns its
    result instead if both come at once. A loop without this condition would then go on for ever.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() == 0
