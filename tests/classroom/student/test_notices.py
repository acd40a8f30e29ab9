"""The notices of marks to students on two batches: "The LMS has it" only once it has the mark in both."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.check_ins import CheckIns
from classroom.domain.sessions import Binding, Mark, ReadBack, Session, Status
from classroom.services import Classroom
from classroom.store.sqlite import SqliteStore
from classroom.student.notices import StudentNotices
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.claims import Claims
from telegram_app.outbox import Item, Outbox
from telegram_app.side import Side
from tests.classroom.check_in.scenario import OPENED, SetClock
from tests.classroom.running import KEY, STUDENT_TOKEN
from tests.classroom.store.contract import shared_by_two

pytestmark = pytest.mark.integration


class Queue:
    """An outbox that keeps its items."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    async def put(self, *items: Item, when: Callable[[], bool]) -> bool:
        """Keep the items, if they may be queued."""
        if not when():
            return False
        self.items += items
        return True


class AnLms:
    """An LMS, as opposed to CSV files."""

    needs_password = one_record_a_day = True


class Keys(set[str]):
    """Claims in memory."""

    def claim(self, key: str, _at: datetime) -> bool:
        """Claim a key once."""
        is_new = key not in self
        self.add(key)
        return is_new

    def at(self, key: str) -> datetime | None:
        """Return when a key was claimed; None: never."""
        return OPENED if key in self else None


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Yield a store in which account 2001 is bound to S-1."""
    store = SqliteStore(tmp_path / "store.sqlite3", Cipher(KEY))
    await store.open()
    await store.bind(Binding(2001, "S-1", OPENED))
    yield store
    await store.close()


async def test_in_every_batch(store: SqliteStore) -> None:
    """A mark is told once. The LMS's first answer of two is not: the other batch may still be refused."""
    nothing, queue = cast("Any", None), Queue()
    side = Side(nothing, cast("Outbox", queue), cast("Claims", Keys()))
    settings = Settings(_env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN))  # type: ignore[call-arg]
    classroom = Classroom(settings, SetClock(), store, cast("Any", AnLms()), side, side, nothing, lambda n: n - 1)
    notices = StudentNotices(classroom, cast("CheckIns", None), nothing)
    session: Session = await shared_by_two(store)
    await store.mark(session.id, Mark("S-1", Status.PRESENT, OPENED, came_at=OPENED), overwrite=False)
    for each in await store.sheets_of(session.id, "S-1"):
        for student_id, mark in each.marks.items():
            await notices.tell_mark(session, student_id, mark)
    assert [item.action for item in queue.items] == ["send", "delete"]  # and the location request goes
    queue.items.clear()
    for batch, told in (("CS-8", 0), ("CS-9", 1), ("CS-9", 1), ("CS-8", 1)):
        await store.acked(session.id, batch, 1)
        sheet = next(each for each in await store.sheets(session.id) if each.batch == batch)
        sheet = replace(sheet, read_back=ReadBack(sheet.version, OPENED))
        await store.set_read_back(sheet)
        await notices.tell_recorded(session, sheet)
        assert len(queue.items) == told
    assert "The LMS has it." in queue.items[0].text
