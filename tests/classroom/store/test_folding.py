"""Stored IDs and names are folded anew by a newer version that folds more letters."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from classroom.domain.sessions import Binding
from classroom.store import BoundOtherwise, Correction, SessionExists, Store
from classroom.store.documents import Document, document_of
from classroom.store.mongo import MongoStore
from classroom.store.mongo_migrations import MIGRATIONS
from classroom.store.records import taken_hash
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from tests.classroom.store.contract import a_session, after, opened, sheets_of
from tests.classroom.store.test_sqlite import KEY
from tests.servers import ROOT

pytestmark = pytest.mark.integration


async def test_cyrillic(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """IDs of an older version are folded anew; of two bindings that are one ID now the older stays, which is logged."""
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v1.sql").read_text(encoding="utf-8"))
        connection.executescript(
            """
            INSERT INTO bindings VALUES ('25b 1', '25B 1', 31, 'a', '2026-08-01T10:00:00.000000+00:00');
            INSERT INTO bindings VALUES ('25b1', '25B1', 32, 'b', '2026-08-02T10:00:00.000000+00:00');
            INSERT INTO bindings VALUES ('25в2', '25В2', 33, 'c', '2026-08-02T10:00:00.000000+00:00');
            INSERT INTO enrolled VALUES ('aaaaaaaaaaaa', 9, 'CS-1', '25В2', '25в2', 'B. Student', '');
            INSERT INTO attempts VALUES (40, '25в2', '2026-09-01T10:00:03.000000+00:00');
            """
        )
    for _ in range(2):
        store = SqliteStore(file, Cipher(KEY))
        await store.open()
        bindings = [await store.binding_for(each) for each in ("25B1", "25B2", "CS-1-b00")]
        assert [each.telegram_id for each in bindings if each is not None] == [31, 33, 2001]
        assert await store.binding_of(32) is None
        assert await store.sheets_of("a" * 12, "25B2")
        assert await store.tries_on("25B2", after(-60)) == 1
        await store.close()
    assert caplog.text.count("student 25B1: unbound") == 1


async def greek_store(file: Path) -> Store:
    """Return a store of version 7, in which Greek letters were not folded, opened for the second time."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((ROOT / "tests" / "fixtures" / "classroom_v7.sql").read_text(encoding="utf-8"))
    store = SqliteStore(file, Cipher(KEY))
    await store.open()
    await store.close()
    again = SqliteStore(file, Cipher(KEY))
    await again.open()
    return again


async def test_greek(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bindings, rosters, tries, templates, requests and lessons are found by Latin letters; duplicates are logged."""
    greek = await greek_store(tmp_path / "store.sqlite3")
    bindings = [await greek.binding_for(each) for each in ("25B1", "25B2", "25B3", "CS-1-b00")]
    assert [each.telegram_id for each in bindings if each is not None] == [31, 34, 33, 2001]
    assert await greek.binding_of(32) is None
    assert caplog.text.count("student 25B1: unbound") == 1
    assert await greek.sheets_of("a" * 12, "25B2")
    assert await greek.tries_on("25B2", after(-60)) == 1
    assert await greek.template("25\u03922") is None
    request = await greek.first(Correction, session="a" * 12, folded="25b2")
    assert request is not None
    assert (request.student_id, request.telegram_id) == ("25\u03922", 34)
    again = a_session("f" * 12, ["CS-1"], subject="Physics", lesson="b")
    with pytest.raises(SessionExists):
        await greek.create_session(again, sheets_of(again), "666666", again.closes_at)
    await greek.close()


async def test_deleted_after_greek(tmp_path: Path) -> None:
    """An ID stays taken, in Latin letters too, once its account's data are deleted after the migration."""
    greek = await greek_store(tmp_path / "store.sqlite3")
    await greek.forget_student(34)
    for lent in (Binding(99, "25B2", after(1)), Binding(99, "25\u03922", after(1)), Binding(34, "25B9", after(1))):
        with pytest.raises(BoundOtherwise):
            await greek.bind(lent)
    await greek.close()


@pytest.mark.parametrize(("letter", "version"), [("\u0412", 1), ("\u0392", 6)])  # Cyrillic, Greek
async def test_documents(
    *,
    mongo_uri: str,
    database: str,
    documents: AsyncDatabase[Document],
    caplog: pytest.LogCaptureFixture,
    letter: str,
    version: int,
) -> None:
    """IDs of an older version are folded anew; of two bindings that are one ID now the older stays, which is logged."""
    old = MongoStore(mongo_uri, database, Cipher(KEY), migrations=MIGRATIONS[: version - 1])
    await old.open()
    session, odd, folded = await opened(old, a_session(batches=["CS-1"])), f"25{letter}2", f"25{letter}2".casefold()
    await old.close()
    for person, student_id, day in ((31, "25B 1", 1), (32, "25B1", 2), (33, odd, 2)):
        bound = {"student_id": student_id, "telegram_id": person, "bound_at": f"2026-08-0{day}T10:00:00.000000+00:00"}
        more = {"folded": student_id.casefold(), "account": str(person)}
        await documents["bindings"].insert_one(bound | more | ({"taken": f"old {person}"} if version > 1 else {}))
    await documents["templates"].insert_one({"_id": folded, "student_id": odd, "made_at": "2026"})
    await documents["attempts"].insert_one({"telegram_id": 40, "folded": folded, "at": after(3)})
    asked = Correction(session.id, odd, 33, "I was there", after(4))
    key = {"_id": f"{session.id}/{folded}", "folded": folded}
    await documents["corrections"].insert_one(document_of(asked) | key)
    student = {"student_id": odd, "name": "B. Student", "batch": "CS-1", "email": ""}
    change = {"$push": {"roster": student, "students": folded}}
    await documents["marks"].update_one({"session": session.id}, change)
    lesson = json.dumps(["Main", "CS-1", session.subject, "2026-09-01", letter.casefold()], ensure_ascii=False)
    await documents["sessions"].update_one({"_id": session.id}, {"$set": {"lessons": [lesson]}})
    store = MongoStore(mongo_uri, database, Cipher(KEY))
    for _ in range(2):
        await store.open()
        bindings = [await store.binding_for(each) for each in ("25B1", "25B2")]
        assert [each.telegram_id for each in bindings if each is not None] == [31, 33]
        assert await store.binding_of(32) is None
        assert await store.template("25B2") is None
        assert await store.sheets_of(session.id, "25B2")
        assert await store.tries_on("25B2", after(-60)) == 1
        assert await store.first(Correction, session=session.id, folded="25b2") == asked
        again = a_session("f" * 12, ["CS-1"], lesson="b")
        with pytest.raises(SessionExists):
            await store.create_session(again, sheets_of(again), "666666", again.closes_at)
        taken = {each["telegram_id"]: each["taken"] async for each in documents["bindings"].find()}
        assert taken[33] == taken_hash("25B2", Cipher(KEY).digest)
        await store.close()
    assert caplog.text.count("student 25B1: unbound") == 1
