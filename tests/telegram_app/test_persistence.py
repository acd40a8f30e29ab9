"""Conversations come back from the ledger after a restart."""

import pytest

from core.sqlite import Database
from telegram_app.people import People
from telegram_app.persistence import StepsFromLedger
from tests.fakes import FakeClock

pytestmark = pytest.mark.unit


async def test_steps_come_back(clock: FakeClock) -> None:
    """Each person in a conversation is at their step again; steps that are no conversation's are left alone."""
    people = People(Database(":memory:"))
    people.set_step(501, "username", {"code": "ABCD2345"}, clock.now())
    people.set_step(502, "done", {}, clock.now())
    persistence = StepsFromLedger(people, ["code", "username", "password"])
    assert await persistence.get_conversations("registration") == {(501, 501): "username"}


async def test_nothing_is_stored(clock: FakeClock) -> None:
    """The ledger is written by the handlers alone, before they answer: what the library hands over changes nothing."""
    people = People(Database(":memory:"))
    people.set_step(501, "username", {}, clock.now())
    persistence = StepsFromLedger(people, ["username"])
    await persistence.update_conversation("registration", (501, 501), "password")
    await persistence.update_user_data(501, {"password": "correct horse"})
    await persistence.flush()
    assert await persistence.get_conversations("registration") == {(501, 501): "username"}
    assert await persistence.get_user_data() == {}
