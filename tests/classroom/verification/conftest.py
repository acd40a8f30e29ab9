"""The session of the queue's tests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.services import Classroom
from core.clock import SystemClock
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.running import KEY, STUDENT_TOKEN
from tests.classroom.verification.queue_scene import Scene, SomeFailures


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """An open session."""
    store = SomeFailures(tmp_path / "store.sqlite3", Cipher(KEY))
    await store.open()
    settings = Settings(_env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN))  # type: ignore[call-arg]  # its own
    side = cast("Side", None)
    nothing = cast("Any", None)
    room = Classroom(settings, SystemClock(), store, nothing, side, side, nothing, lambda below: below - 1)
    scene = Scene(room, store, tmp_path)
    await scene.opens()
    yield scene
    await scene.close()
    await store.close()
