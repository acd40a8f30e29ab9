"""The check of the disk: what two checks at the same time do."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from telegram_app.i18n import texts
from telegram_app.outage import WriteOutage
from telegram_app.outbox import Item
from tests.marker.running import SteppedClock

pytestmark = pytest.mark.unit


class Sent:
    """What was sent directly."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def direct(self, item: Item) -> bool:
        """Keep the text."""
        self.texts.append(item.text)
        return True


def test_two_checks_at_once() -> None:
    """Checks of the periodic work and of an apology at the same moment are one message at the beginning and end."""
    sent, clock, trouble = Sent(), SteppedClock(), ["no space left"]

    def store(always: bool) -> str:
        return trouble[0]

    outage = WriteOutage(cast(Any, sent), lambda _: texts("en"), [1, 2], clock, [store], lambda _: "")

    async def twice() -> None:
        await asyncio.gather(outage.check(), outage.check())

    asyncio.run(twice())
    assert len(sent.texts) == 2
    trouble[0] = ""
    for _ in range(3):
        clock.forward(timedelta(minutes=1))
        asyncio.run(twice())
    assert sent.texts[2:] == ["Everything can be saved again, and goes on."] * 2


def test_what_to_do() -> None:
    """/healthz says what the operator has to do: about a full disk, or about another program that holds the file."""
    outage = WriteOutage(cast(Any, Sent()), lambda _: texts("en"), [], SteppedClock(), [], lambda _: "")
    outage.trouble = "the database can't be written (database is locked)"
    assert outage.problem == f"{outage.trouble}: another program holds it, end that one"
    outage.trouble = "the database can't be written (database or disk is full)"
    assert outage.problem == f"{outage.trouble}: free disk space in DATA_DIR, or make it writable"
