"""The classroom's part of /healthz."""

import asyncio

from classroom.bot_parts import BotParts
from classroom.metrics import ClassroomMetrics
from classroom.store import Store, StoreError, StoreUnavailable
from core.health import PartHealth, polling_state
from core.metrics import spread
from core.sqlite import DatabaseError, advice

STORE_ANSWERS_WITHIN = 2.0  # seconds; the client of /healthz waits for 4


async def health_part(bots: list[BotParts], store: Store, metrics: ClassroomMetrics) -> PartHealth:
    """Return the state and the figures, and set the gauges."""
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
    metrics.sessions.set(unfinished)
    metrics.unsent.set(unsent)
    counts = {
        "sessions": unfinished,
        "sheets_not_in_lms": unsent,
        "lms_seconds": spread(metrics.lms_write_seconds),
        "reply_seconds": {bot.setting: spread(bot.side.outbox.metrics.answers) for bot in bots},
    }
    return PartHealth(failing, degraded, counts)
