"""Fixtures: check-ins without a face check."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.services import Classroom
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.check_in.scenario import CheckInScenario, FailingStore, SetClock
from tests.classroom.running import KEY, STUDENT_TOKEN


@pytest.fixture
async def scenario(tmp_path: Path) -> AsyncIterator[CheckInScenario]:
    """A class without a session."""
    store, clock = FailingStore(tmp_path / "store.sqlite3", Cipher(KEY)), SetClock()
    await store.open()
    settings = Settings(  # type: ignore[call-arg]  # pydantic-settings' own keyword
        _env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN), face_engine="none"
    )
    side = cast("Side", None)  # people and messages are the bot's
    classroom = Classroom(settings, clock, store, cast("Any", None), side, side, cast("Any", None), lambda n: n - 1)
    yield CheckInScenario(classroom, store, clock)
    await store.close()
