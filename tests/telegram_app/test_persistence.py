"""Conversations are restored from the database after a restart."""

import pytest

from core.sqlite import Database
from telegram_app.factory import StoredSteps
from telegram_app.people import People
from telegram_app.schema import SCHEMA
from tests.fakes import FakeClock

pytestmark = pytest.mark.unit


async def test_steps_are_restored(clock: FakeClock) -> None:
    """Each person in a conversation is at their step again; other steps are not returned."""
    people = People(Database(":memory:", [SCHEMA]), "marker")
    people.set_step(501, "username", {"code": "ABCD2345"}, clock.now())
    people.set_step(502, "done", {}, clock.now())
    persistence = StoredSteps(people, ["code", "username", "password"])
    assert await persistence.get_conversations("registration") == {(501, 501): "username"}


async def test_nothing_is_stored(clock: FakeClock) -> None:
    """Updates from the library change nothing: only the handlers write steps, before they answer."""
    people = People(Database(":memory:", [SCHEMA]), "marker")
    people.set_step(501, "username", {}, clock.now())
    persistence = StoredSteps(people, ["username"])
    await persistence.update_conversation("registration", (501, 501), "password")
    await persistence.update_user_data(501, {"password": "correct horse"})
    await persistence.flush()
    assert await persistence.get_conversations("registration") == {(501, 501): "username"}
    assert await persistence.get_user_data() == {}
