"""The classroom's part of /healthz."""

import asyncio
from collections import deque

from classroom.bot_parts import BotParts
from classroom.lms.sync import LmsSync
from classroom.store import Store, StoreError, StoreUnavailable
from core.health import PartHealth, polling_state, spread
from core.sqlite import DatabaseError, advice

STORE_ANSWERS_WITHIN = 2.0  # seconds; the client of /healthz waits for 4
LAG_MEASURED_EVERY, LAGS_KEPT = 0.1, 600  # seconds between measurements, and how many are kept: a minute's


async def measure_lags(lags: deque[int]) -> None:
    """Append the lag of the event loop in milliseconds, ten times a second."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_MEASURED_EVERY
        await asyncio.sleep(LAG_MEASURED_EVERY)
        lags.append(round(1000 * (loop.time() - due)))


async def health_part(bots: list[BotParts], store: Store, lags: deque[int], sync: LmsSync | None = None) -> PartHealth:
    """Return the state and the figures; ``lags`` are the event loop's of the last minute."""
    failing, degraded = [], []
    for bot in bots:
        if bot is bots[0] and bot.side.outage is not None and bot.side.outage.trouble:
            degraded.append(bot.side.outage.problem)
        if bot.poll.refused.is_set():
            continue  # reported elsewhere already, and permanent
        if (state := polling_state(bot.poll.answered_at)) != "ok":
            failing.append(f"{bot.setting}'s bot: {state}")
        if bot.poll.conflict:
            degraded.append(f"another program fetches the updates of {bot.setting}'s bot: end it")
        try:
            await asyncio.to_thread(bot.side.outbox.oldest_waiting)
        except DatabaseError as error:
            failing.append(f"a database of the classroom can't be read: {advice(error)}")
    try:
        async with asyncio.timeout(STORE_ANSWERS_WITHIN):
            unfinished, unsent = len(await store.unfinished()), len(await store.unacked())
    except (StoreUnavailable, TimeoutError):  # a restart would not bring it back, and would end the marker's Chromes
        return PartHealth(failing, [*degraded, "the classroom's store does not answer: see the log"], {})
    except StoreError:
        return PartHealth([*failing, "the classroom's store can't be read: see the log"], degraded, {})
    counts = {
        "sessions": unfinished,
        "sheets_not_in_lms": unsent,
        "loop_lag_ms": {**spread(lags), "max": max(lags, default=0)},
        "lms_seconds": spread(sync.seconds) if sync is not None else {},
        "reply_seconds": {bot.setting: spread(bot.side.outbox.seconds) for bot in bots},
    }
    return PartHealth(failing, degraded, counts)
