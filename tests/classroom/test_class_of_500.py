"""A class of 500 on two batches that share 20, from the first link to the LMS's two records, with each store."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from classroom.domain.sessions import Sheet
from classroom.store import Store
from classroom.store.mongo import MongoStore
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from sandbox.class_play import PATIENCE, ClassPlay
from tests.classroom.running import KEY, STUDENTS, Run, RunningClock, Teacher, an_lms
from tests.e2e.people import Telegram, labels
from tests.servers import mongo_server

pytestmark = [pytest.mark.integration, pytest.mark.ordeal]

LISTED, COME = 500, 498
IDS = [f"S{number:04}" for number in range(1, LISTED + 1)]
BATCHES = {"CS-1": IDS[:260], "CS-2": IDS[240:]}


@contextmanager
def playing(play: ClassPlay, code: str) -> Iterator[None]:
    """Let the students come while the block runs; then wait for them."""
    students = threading.Thread(target=lambda: asyncio.run(play.play(code)))
    students.start()
    try:
        yield
    finally:
        students.join()


async def sheets_in(store: Store) -> list[Sheet]:
    await store.open()
    try:
        (session,) = await store.sessions_of(7001, 10)
        return await store.sheets(session.id)
    finally:
        await store.close()


@pytest.mark.parametrize(("generation", "database"), [("older", "SQLite"), ("newer", "MongoDB")])
def test_marks(tmp_path: Path, telegram: Telegram, clock: RunningClock, generation: str, database: str) -> None:
    """All 498 who come are told so and are present in each of their batches, once: in our store and in the LMS."""
    settings: dict[str, Any] = {"otp_expiry_seconds": 900}
    store: Store = SqliteStore(tmp_path / "classroom" / "classroom.sqlite3", Cipher(KEY))
    with ExitStack() as stack:
        if database == "MongoDB":
            uri = stack.enter_context(mongo_server())
            settings["mongodb_uri"], store = (
                SecretStr(uri),
                MongoStore(uri, "lms_database", Cipher(KEY), patience=PATIENCE),
            )
        lms = stack.enter_context(an_lms(generation, []))
        for batch, students in BATCHES.items():
            lms.has_batch(batch, [(each, f"Student {each}") for each in students])
        run = Run(tmp_path, telegram.url, clock, base_url=f"{lms.url}/api/v1", jwt_login_endpoint=lms.login, **settings)
        stack.callback(run.stops)
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.starts_sign_in()
        teacher.gives_password()
        play = ClassPlay(telegram.url, STUDENTS, COME, over=10)
        confirm = f"Confirm All ({COME})"
        with playing(play, teacher.opens(*BATCHES)):
            teacher.waits("everybody", lambda screen: any(confirm in labels(each) for each in screen), PATIENCE)
            teacher.taps(confirm)
        assert [each.error for each in play.results if not each.marked] == []
        teacher.sees(f"In: {COME} of {LISTED}")
        clock.forward(905)
        teacher.sees("Closed at")
        clock.forward(20)
        report = teacher.sees(f"Present: {COME}\n")["text"]
        assert f"Absent: {LISTED - COME} of {LISTED}" in report
        assert "The LMS has everything." in teacher.sees("(final)")["text"]
        expected = {batch: {each: int(each in IDS[:COME]) for each in students} for batch, students in BATCHES.items()}
        records = lms.records()
        assert {record["batch"]: record["students"] for record in records} == expected
        assert [record["copies"] for record in records] == [1, 1]
        run.stops()
        sheets = asyncio.run(sheets_in(store))
    marked = {sheet.batch: set(sheet.marks) for sheet in sheets}
    assert marked == {batch: {*students} & {*IDS[:COME]} for batch, students in BATCHES.items()}
    assert all(sheet.acked_version == sheet.version for sheet in sheets)
