"""What the classroom's admins are told: log records with a trouble, each once a day."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from classroom.admin_notices import AdminNotices
from classroom.error_codes import Code, code_of, noted
from classroom.lms import LmsRefused, LmsUnavailable
from classroom.lms.rest_sign_in import LmsHttp
from classroom.lms.tables import FileWrong, Problem
from core.sqlite import Database
from telegram_app.claims import Claims
from telegram_app.outbox import NOTICE, Item, Outbox
from telegram_app.people import People
from telegram_app.schema import SCHEMA
from telegram_app.side import Side
from tests.fakes import FakeClock
from tests.waiting import PATIENCE, eventually_true

pytestmark = pytest.mark.unit

log = logging.getLogger("classroom.somewhere")
LATER = timedelta(days=1)


class Queue:
    """Keeps the messages that were queued."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    async def put(self, item: Item, when: Callable[[], bool]) -> bool:
        if when():
            self.items.append(item)
        return True


@contextmanager
def listening(side: Side, admins: tuple[int, ...], clock: FakeClock) -> Iterator[AdminNotices]:
    """Receive the classroom's log records while the block runs."""
    notices = AdminNotices(side, admins, clock)
    logging.getLogger("classroom").addHandler(notices)
    yield notices
    logging.getLogger("classroom").removeHandler(notices)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    """Give the side of a bot whose queue only keeps the messages."""
    with closing(Database(tmp_path / "bot.sqlite3", [SCHEMA])) as database:
        yield Side(
            People(database, "teacher"),
            cast(Outbox, Queue()),
            Claims(database, "teacher"),
            languages={1: "en", 2: "ru"},
        )


def told(side: Side) -> list[Item]:
    return cast(Any, side.outbox).items  # type: ignore[no-any-return]


async def test_once_a_day(side: Side) -> None:
    """Each trouble is told once a day, to every admin, also where it is logged in another thread."""
    day = FakeClock()
    with listening(side, (1, 2), day):
        for _ in range(3):
            log.warning("the bucket denies <access>", extra={"trouble": "photos"})
            await asyncio.to_thread(log.warning, "no engine", extra={"trouble": "faces"})
        log.warning("nothing for an admin")
        await eventually_true("four messages", lambda: len(told(side)) == 4)
        day.advance(LATER.total_seconds())
        log.warning("again", extra={"trouble": "faces"})
        await eventually_true("two more", lambda: len(told(side)) == 6)
    log.warning("after the end", extra={"trouble": "photo"})
    await asyncio.sleep(0)
    first = told(side)[0]
    assert (first.chat_id, first.lane, len(told(side))) == (1, NOTICE, 6)
    assert first.text == "ID photos can't be read.\nthe bucket denies &lt;access&gt;\nI tell you this once a day."


async def test_other_mistakes(side: Side) -> None:
    """Other mistakes in rosters are told on the same day."""
    with listening(side, (1,), FakeClock()):
        for line in (2, 2, 3):
            problems = [Problem("r.csv", line, "{column} is empty", {"column": "batch"})]
            log.warning("rosters", extra={"trouble": "rosters", "problems": problems})
        await eventually_true("two messages", lambda: len(told(side)) == 2)
    assert [each.text.splitlines()[1] for each in told(side)] == [
        "r.csv, line 2: batch is empty",
        "r.csv, line 3: batch is empty",
    ]


async def test_lms_and_rosters(side: Side) -> None:
    """A refusal of the LMS is told; a mistake in a roster, told elsewhere, is not taken for one."""
    wrong = FileWrong(Problem("r.csv", 2, "the file is empty"))
    with listening(side, (1,), FakeClock()):
        for error in (wrong, LmsRefused("the LMS refuses this (403)")):
            noted(log, code_of(error), f"teacher 7: {error}", logging.WARNING)
        noted(log, Code.OUT_OF_RANGE, "session: too far")
        await eventually_true("a message", lambda: told(side))
    (item,) = told(side)
    assert item.text.startswith("The LMS refuses what teachers send.\n4003 [")


async def test_started_later(side: Side) -> None:
    """An admin who starts the bot after a trouble was logged gets that day's notice then, once; not an older one."""
    day = FakeClock()
    with listening(side, (1, 3), day) as notices:
        log.warning("yesterday", extra={"trouble": "photos"})
        await eventually_true("a message", lambda: len(told(side)) == 1)
        day.advance(LATER.total_seconds())
        log.warning("no engine", extra={"trouble": "faces"})
        log.warning("denied", extra={"trouble": "lms"})
        await eventually_true("two messages", lambda: len(told(side)) == 3)
        side.languages[3] = "en"
        for _ in range(2):
            await notices.tell(3)
    assert {each.chat_id for each in told(side)[:3]} == {1}
    assert [(each.chat_id, each.text.splitlines()[1]) for each in told(side)[3:]] == [(3, "no engine"), (3, "denied")]


async def test_nobody(side: Side) -> None:
    """Without admins nothing is queued."""
    with listening(side, (), FakeClock()):
        log.warning("no engine", extra={"trouble": "faces"})
        await asyncio.sleep(0)
    assert told(side) == []


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's TLS with a certificate that nobody has signed."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lms")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - LATER).not_valid_after(now + LATER)
    pem = serialization.Encoding.PEM
    (folder / "key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "cert").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


async def test_certificate(side: Side, tmp_path: Path) -> None:
    """A certificate of the LMS that is not accepted is told."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", ssl=certificate(tmp_path))
    port = server.sockets[0].getsockname()[1]
    http = LmsHttp(PATIENCE)
    with listening(side, (2,), FakeClock()):
        with pytest.raises(LmsUnavailable, match="certificate is not accepted"):
            await http.send("GET", f"https://127.0.0.1:{port}/")
        await eventually_true("a message", lambda: told(side))
    assert "self-signed certificate" in told(side)[0].text
    await http.close()
    server.close()
    await server.wait_closed()
