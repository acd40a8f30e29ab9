"""The store in MongoDB: the contract against a server of its protocol, and the faults that only a server can have.

mongo-java-server stands in for MongoDB. It does not delete by TTL indexes, has no passwords and is not a replica set:
these tests show that the indexes are created, and refusals are tested with converted errors.
"""

import asyncio
import gc
import hashlib
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from classroom.domain.sessions import Binding, CheckInStep, FaceCheck
from classroom.health_report import health_part
from classroom.metrics import ClassroomMetrics
from classroom.opening import open_when_available
from classroom.store import BoundOtherwise, Store, StoreDamaged, StoreRefused, StoreUnavailable, Tokens
from classroom.store.documents import Document, sheet_document
from classroom.store.mongo import MongoStore
from classroom.store.mongo_migrations import MIGRATIONS
from classroom.store.plain import text_of
from core.encryption import Cipher, EncryptionKeyError
from core.health import HealthReports
from tests.classroom.store.contract import (
    ADDED_SINCE,
    CODE,
    NOW,
    TEACHER,
    StoreContract,
    a_session,
    after,
    check_version_2,
    check_version_3,
    check_version_4,
    check_version_6,
    mark,
    opened,
    sheets_of,
)
from tests.classroom.store.contract_by_hand import ByHandContract
from tests.servers import ROOT, mongo_server
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


KEY = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="
OTHER_KEY = "YW5vdGhlci1rZXktb2YtMzItYnl0ZXMtZm9yLXRlc3Q="


# Closed at the moment when it connects anew, pymongo leaves that socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True, scope="module")
def collected() -> Iterator[None]:
    """Collect pymongo's sockets here, where the warning is ignored, not in the test of another module."""
    yield
    gc.collect()


def a_store(uri: str, database: str, keys: str = KEY, **more: Any) -> MongoStore:
    """Return a store of a server that answers, on a slow machine in its own time."""
    return MongoStore(uri, database, Cipher(keys), patience=PATIENCE, **more)


@pytest.fixture
async def store(mongo_uri: str, database: str) -> AsyncIterator[Store]:
    """Yield an open, empty store."""
    store = a_store(mongo_uri, database)
    await store.open()
    yield store
    await store.close()


class TestMongoStore(StoreContract, ByHandContract):
    """The contract."""


async def test_two_processes_at_once(store: Store, mongo_uri: str, database: str) -> None:
    """Stores that open one database at once all work and see each other's changes."""
    async with AsyncExitStack() as stack:
        others = [a_store(mongo_uri, database) for _ in range(2)]
        await asyncio.gather(*(other.open() for other in others))
        for other in others:
            stack.push_async_callback(other.close)
        session = await opened(others[0])
        assert await others[1].session_by_code(CODE, after(1)) == session
        ends = [each.end_session(session.id, after(40)) for each in (store, *others)]
        assert sum(ended is not None for ended in await asyncio.gather(*ends)) == 1


async def test_indexes(store: Store, documents: AsyncDatabase[Document]) -> None:
    """Unique indexes decide races, and a TTL index deletes wrong tries after an hour."""
    unique = {
        f"{name}.{index['key'][0][0]}"
        for name in ("sessions", "bindings")
        for index in (await documents[name].index_information()).values()
        if index.get("unique") and index.get("sparse")
    }
    bindings = {"bindings.folded", "bindings.account", "bindings.taken"}
    assert unique == {"sessions.lessons", "sessions.live_codes", *bindings}
    attempts = await documents["attempts"].index_information()
    assert attempts["at_1"]["expireAfterSeconds"] == 3600


async def test_hashes_of_before(
    store: Store, documents: AsyncDatabase[Document], mongo_uri: str, database: str
) -> None:
    """Hashes that an older version stored get the key; IDs whose data were deleted are taken, and not readable."""
    kept = {"student_id": "S-1", "folded": "s-1", "bound_at": text_of(NOW)}
    for person, more in ((2001, {}), (2002, {"telegram_id": 2002, "student_id": "S-2", "folded": "s-2"})):
        account = hashlib.blake2b(f"telegram account {person}".encode(), digest_size=16).hexdigest()
        await documents["bindings"].insert_one(kept | {"account": account} | more)
    for _ in range(2):
        again = a_store(mongo_uri, database)
        await again.open()
        await again.close()
    assert await store.binding_of(2002) == Binding(2002, "S-2", NOW)
    for lent in (Binding(2001, "S-9", NOW), Binding(2009, "S-1", NOW), Binding(2002, "S-9", NOW)):
        with pytest.raises(BoundOtherwise):
            await store.bind(lent)
    assert "s-1" not in str([each async for each in documents["bindings"].find()]).casefold()


async def test_no_secret_in_the_documents(store: Store, documents: AsyncDatabase[Document]) -> None:
    """Tokens and the password are encrypted before they leave this process."""
    await store.save_tokens(7, Tokens("access-canary", "refresh-canary", "password-canary"))
    kept = [each async for each in documents["jwt_tokens"].find()]
    assert len(kept) == 1
    assert "canary" not in repr(kept)


async def test_another_key(store: Store, mongo_uri: str, database: str) -> None:
    """With tokens that no key can decrypt the store does not open; with the old key beside the new one it does."""
    await store.save_tokens(7, Tokens("a", "r", "p"))
    wrong = a_store(mongo_uri, database, OTHER_KEY)
    with pytest.raises(EncryptionKeyError):
        await wrong.open()
    await wrong.close()
    both = a_store(mongo_uri, database, f"{OTHER_KEY},{KEY}")
    await both.open()
    assert await both.tokens(7) == Tokens("a", "r", "p")
    await both.close()


async def test_code_that_nobody_ended(store: Store) -> None:
    """An expired code is free for another session, also if its own session was never ended."""
    session = await opened(store)
    other = a_session("b" * 12, ["CS-9"], opened_at=after(500), closes_at=after(620))
    assert await store.create_session(other, sheets_of(other), CODE, other.closes_at)
    assert await store.session_by_code(CODE, after(501)) == other
    assert await store.code(session.id, after(60)) is None


async def test_ended_while_opening(store: Store, documents: AsyncDatabase[Document]) -> None:
    """The sheets of a session that was never stored are not written to the LMS, and deleted an hour later."""
    session = await opened(store, a_session("b" * 12, ["CS-9"]), code="222222")
    lost = a_session()
    await documents["marks"].insert_many([sheet_document(sheet, NOW) for sheet in sheets_of(lost)])
    # this session was stored, and the process stopped before it could mark its sheets as no drafts
    await documents["marks"].update_many({"session": session.id}, {"$set": {"draft_since": NOW.isoformat()}})
    assert {sheet.session for sheet in await store.unacked()} == {session.id}
    await opened(store, a_session("c" * 12))  # the lost one holds no lesson
    assert await store.clean(after(3700), after(-60)) == 2
    assert await documents["marks"].count_documents({"session": lost.id}) == 0
    assert await documents["marks"].count_documents({"draft_since": {"$exists": True}}) == 0
    assert {sheet.session for sheet in await store.unacked()} == {session.id, "c" * 12}


async def test_migrations(mongo_uri: str, database: str, documents: AsyncDatabase[Document]) -> None:
    """Documents of an old version are migrated once; those of a newer program are refused."""
    old = a_store(mongo_uri, database, migrations=[])
    await old.open()
    await old.close()
    done = []

    async def second(database: AsyncDatabase[Document]) -> None:
        done.append(database.name)

    for _ in range(2):
        new = a_store(mongo_uri, database, migrations=[second])
        await new.open()
        await new.close()
    assert done == [database]
    with pytest.raises(StoreDamaged, match="schema version 2"):
        await old.open()
    await old.close()


async def test_version_1(mongo_uri: str, database: str, documents: AsyncDatabase[Document]) -> None:
    """Check-ins of version 1, without faces, are read with no face and can then store one."""
    fixture = json.loads((ROOT / "tests" / "fixtures" / "classroom_mongo_v1.json").read_text(encoding="utf-8"))
    for name, kept in fixture.items():
        await documents[name].insert_many(kept)
    store = a_store(mongo_uri, database)
    await store.open()
    one, other = await store.check_ins("a" * 12)
    assert (one.student_id, one.step, one.distance, one.face) == ("CS-1-b00", CheckInStep.DONE, 12.25, None)
    assert (other.asked_at, other.waited) == (None, 0.0)
    asked = replace(other, step=CheckInStep.FACE, face=FaceCheck(("left", "up"), after(30)))
    assert await store.move_check_in(asked, {CheckInStep.REVIEW})
    assert await store.check_in("a" * 12, "CS-1-b01") == asked
    await store.close()


async def test_version_2(mongo_uri: str, database: str, documents: AsyncDatabase[Document]) -> None:
    """Documents of version 2 are migrated as a SQLite file of that version is; also where that was interrupted."""
    fixture = json.loads((ROOT / "tests" / "fixtures" / "classroom_mongo_v2.json").read_text(encoding="utf-8"))
    for name, kept in fixture.items():
        await documents[name].insert_many(kept)
    for _ in range(2):
        await documents["schema"].update_one({"_id": "classroom"}, {"$set": {"version": 2}})
        store = a_store(mongo_uri, database)
        await store.open()
        await store.close()
    await store.open()
    await check_version_2(store)
    await store.close()


async def test_version_3(mongo_uri: str, database: str, documents: AsyncDatabase[Document]) -> None:
    """Documents of version 3 are migrated as a SQLite file of that version is."""
    old = a_store(mongo_uri, database, migrations=MIGRATIONS[:2])
    await old.open()
    await opened(old)
    for person, phone in ((7, "77010000001"), (8, "+77010000002")):
        await old.save_teacher(replace(TEACHER, telegram_id=person, phone=phone))
    await documents["sessions"].update_many({}, {"$unset": {"reopened_at": ""}})
    await old.close()
    store = a_store(mongo_uri, database)
    await store.open()
    await check_version_3(store)
    await store.close()


async def test_version_4(mongo_uri: str, database: str, documents: AsyncDatabase[Document]) -> None:
    """Documents of version 4 are migrated as a SQLite file of that version is."""
    fixture = json.loads((ROOT / "tests" / "fixtures" / "classroom_mongo_v4.json").read_text(encoding="utf-8"))
    for name, kept in fixture.items():
        await documents[name].insert_many(kept)
    store = a_store(mongo_uri, database)
    await store.open()
    await check_version_4(store)
    await store.close()


async def test_version_5(mongo_uri: str, database: str, documents: AsyncDatabase[Document]) -> None:
    """Documents of before several lessons a day are migrated; every one stays, with the new fields' defaults."""
    fixture = json.loads((ROOT / "tests" / "fixtures" / "classroom_mongo_v5.json").read_text(encoding="utf-8"))
    for name, kept in fixture.items():
        await documents[name].insert_many(kept)
    store = a_store(mongo_uri, database)
    for _ in range(2):  # also where that was interrupted
        await documents["schema"].update_one({"_id": "classroom"}, {"$set": {"version": 5}})
        await store.open()
        await store.close()
    await store.open()
    fixture["schema"] = [{"_id": "classroom", "version": len(MIGRATIONS) + 1}]
    for name, kept in fixture.items():
        expected = [each | ADDED_SINCE.get(name, {}) for each in kept]
        assert [each async for each in documents[name].find()] == expected
    await check_version_6(store)
    await store.close()


async def test_strange_document(store: Store, documents: AsyncDatabase[Document]) -> None:
    """A document that another program has damaged is refused; the error names collection and field."""
    session = await opened(store)
    await documents["sessions"].update_one({"_id": session.id}, {"$unset": {"opened_at": ""}})
    with pytest.raises(StoreDamaged, match=r"'sessions'.*opened_at"):
        await store.session(session.id)


@pytest.mark.parametrize(
    "uri",
    [
        "http://person:secret@host/",
        "mongodb://person:sec:secret@host/",
        "mongodb://person:secret@host:port",
        "mongodb://person:secret@host/?tls=maybe",
    ],
)
async def test_wrong_uri(uri: str) -> None:
    """A malformed URI is refused permanently, without showing it."""
    store = MongoStore(uri, "lms_database", Cipher(KEY), patience=0.5)
    with pytest.raises(StoreRefused) as refused:
        await store.open()
    assert "secret" not in str(refused.value)
    await store.close()


async def test_closed(mongo_uri: str, database: str) -> None:
    """A closed store raises the same error as an unreachable one."""
    store = a_store(mongo_uri, database)
    await store.open()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.teacher(7)


@pytest.mark.ordeal
async def test_gone_and_back(tmp_path: Path, database: str) -> None:
    """While MongoDB is gone each method soon raises StoreUnavailable; afterwards the store works again by itself."""
    file = str(tmp_path / "mongo")
    with mongo_server("--file", file) as uri:
        port = uri.rpartition(":")[2]
        store = MongoStore(uri, database, Cipher(KEY), patience=5)
        await store.open()
        session = await opened(store, a_session(batches=["CS-1"]))
        assert await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
    asks = (
        store.session(session.id),
        store.mark(session.id, mark("CS-1-b01"), overwrite=False),
        store.create_session(a_session("b" * 12), [], "111111", after(120)),
        store.unacked(),
    )
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(each) for each in answers] == [StoreUnavailable] * 4
    with mongo_server("--file", file, "--port", port):
        (sheet,) = await store.sheets(session.id)
        assert (len(sheet.marks), sheet.version) == (1, 1)
        assert await store.mark(session.id, mark("CS-1-b01"), overwrite=False)
        await store.close()


@pytest.mark.ordeal
async def test_a_class_at_once(store: Store) -> None:
    """Hundreds of concurrent calls wait for their turns; none fails."""
    session = await opened(store, a_session(batches=["CS-1"]), students=300)
    marks = [store.mark(session.id, mark(f"CS-1-b{number:02}"), overwrite=False) for number in range(300)]
    assert all(await asyncio.gather(*marks))


@pytest.mark.ordeal
async def test_gone_for_a_class(database: str) -> None:
    """While MongoDB is gone, hundreds of calls fail together, not one time limit after the other."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = MongoStore(f"mongodb://127.0.0.1:{silent.getsockname()[1]}", database, Cipher(KEY), patience=6)
        async with asyncio.timeout(PATIENCE):  # 200 by tens would be 120 s
            answers = await asyncio.gather(*(store.open() for _ in range(200)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreUnavailable}
        await store.close()


@pytest.mark.ordeal
async def test_health(database: str) -> None:
    """A store that does not answer is named in the health report in time and does not cause a restart."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = MongoStore(f"mongodb://127.0.0.1:{silent.getsockname()[1]}", database, Cipher(KEY), patience=8)
        opening = asyncio.create_task(store.open())
        await asyncio.wait({opening}, timeout=0.1)  # it is connecting
        part = await health_part([], store, ClassroomMetrics())
        assert not opening.done()  # the report did not wait for the store's own time limit
        assert (part.failing, part.degraded) == ([], ["the classroom's store does not answer: see the log"])
        opening.cancel()
        await asyncio.wait({opening})
        await store.close()


async def test_gone_at_the_start(database: str) -> None:
    """If nothing listens the store raises StoreUnavailable, with neither address nor password in the text."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        uri = f"mongodb://person:secret@127.0.0.1:{nobody.getsockname()[1]}/?authSource=admin"
        store = MongoStore(uri, database, Cipher(KEY), patience=0.5)
        with pytest.raises(StoreUnavailable) as gone:
            await store.open()
    assert not re.search(r"secret|127", str(gone.value))
    await store.close()


async def test_waited_for(database: str) -> None:
    """The classroom waits for a MongoDB that starts later, and names it in the health report meanwhile."""
    reports = HealthReports()
    with socket.socket() as nobody:  # until the server starts, nobody else gets the port
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        store = MongoStore(f"mongodb://127.0.0.1:{port}", database, Cipher(KEY), patience=1.5)
        opening = asyncio.create_task(open_when_available(store, reports, every=0.1))
        async with asyncio.timeout(PATIENCE):
            while (await reports.report())["problems"] != ["the classroom waits for its store: see the log"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not opening.done()
    with mongo_server("--port", str(port)):
        await asyncio.wait_for(opening, PATIENCE)
        assert await store.unfinished() == []
        await store.close()


async def test_silent(database: str) -> None:
    """A server that accepts connections and never answers is given up in bounded time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"mongodb://127.0.0.1:{silent.getsockname()[1]}"
        store = MongoStore(uri, database, Cipher(KEY), patience=0.5)
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(PATIENCE):
                await store.open()
        await store.close()


async def test_password(mongo_uri: str, database: str) -> None:
    """A refused sign-in is a permanent error, without the password in its text."""
    store = a_store(mongo_uri.replace("//", "//person:secret@"), database)
    with pytest.raises((StoreRefused, StoreDamaged)) as refused:
        await store.open()
    assert "secret" not in str(refused.value)
    await store.close()


async def test_old_tries_are_not_counted(store: Store) -> None:
    """Old tries are not counted, whether MongoDB has deleted them yet or not."""
    await store.add_wrong_try(2001, "S-1", NOW)
    since = NOW + timedelta(microseconds=1)
    assert (await store.tries_of(2001, since), await store.tries_on("S-1", since)) == ([], 0)
