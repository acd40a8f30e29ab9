"""Updates: at least once, each person's in order, different people's concurrently, none held up by another person."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from telegram import Update
from telegram.error import Conflict, InvalidToken, NetworkError, TimedOut

from core.sqlite import Database, DatabaseUnavailable
from telegram_app.claims import Claims
from telegram_app.factory import AnyApplication
from telegram_app.intake import LIMIT, Intake, Limits
from telegram_app.outbox import Item, Outbox
from telegram_app.people import People
from telegram_app.schema import SCHEMA
from telegram_app.side import Side, sender, typed_text
from telegram_app.wire import PollingRequest
from tests.waiting import PATIENCE, eventually_true

pytestmark = pytest.mark.unit

AIDA, BEN = 501, 502
FAST = Limits(repeat=0.005, hold=PATIENCE)


def message(person: int, text: str, number: int = 1) -> dict[str, Any]:
    user = {"id": person, "is_bot": False, "first_name": "Someone", "language_code": "en"}
    chat = {"id": person, "type": "private"}
    return {"message": {"message_id": number, "date": 1_788_753_600, "chat": chat, "from": user, "text": text}}


class FakeTelegram:
    """The bot of the fake application: a queue of updates, confirmed by the offset as Telegram's is."""

    def __init__(self, poll: PollingRequest) -> None:
        self._poll = poll
        self.queue: list[dict[str, Any]] = []
        self.next = 1
        self.polls = 0
        self.errors: list[Exception] = []
        self.username = "test_bot"
        self._came = asyncio.Event()

    def sends(self, *contents: dict[str, Any]) -> None:
        """Queue updates."""
        for content in contents:
            self.queue.append({"update_id": self.next, **content})
            self.next += 1
        self._came.set()

    def waiting(self) -> list[int]:
        """Return the updates that are not confirmed."""
        return [each["update_id"] for each in self.queue]

    async def get_updates(self, offset: int, limit: int, timeout: int, _kinds: list[str]) -> None:
        """Give the poll the updates from ``offset`` on; without any, wait for one."""
        self.polls += 1
        if self.errors:
            raise self.errors.pop(0)
        self.queue = [each for each in self.queue if each["update_id"] >= offset]
        while timeout and not self.queue:
            self._came.clear()
            await self._came.wait()
        self._poll.batch = [(each["update_id"], each) for each in self.queue[:limit]]


class FakeApplication:
    """Handlers that wait until a test ends them, and record their beginning and end."""

    def __init__(self, bot: FakeTelegram) -> None:
        self.bot = bot
        self.notes: list[str] = []
        self.errors: list[Exception | None] = []
        self.held: dict[str, asyncio.Event] = {}

    async def process_update(self, update: Update) -> None:
        """Handle an update; the texts that are in ``held`` only when the test says so; "fail" fails."""
        name = typed_text(update)
        self.notes.append(f"{name} begins")
        if name in self.held:
            await self.held[name].wait()
        self.notes.append(f"{name} ends")
        if name == "fail":
            raise ZeroDivisionError

    async def process_error(self, _update: None, error: Exception) -> None:
        """Record the error of a poll."""
        self.errors.append(error)

    def holds(self, *names: str) -> None:
        """Let these handlers wait."""
        self.held |= {name: asyncio.Event() for name in names}


class FakeOutbox:
    """Keeps the queued items; ``error``: what the database answers."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.done: list[Item] = []
        self.error: Exception | None = None

    async def put(self, *items: Item) -> None:
        """Queue items."""
        if self.error is not None:
            raise self.error
        self.items += items

    async def direct(self, item: Item) -> None:
        """Carry out an item without the queue."""
        self.done.append(item)


class Scene:
    """An intake that runs, with everything around it that it needs."""

    def __init__(self) -> None:
        self.poll = PollingRequest(None)
        self.telegram = FakeTelegram(self.poll)
        self.application, self.outbox = FakeApplication(self.telegram), FakeOutbox()
        self.database = Database(":memory:", [SCHEMA])
        self.people = People(self.database, "marker")
        self.people.set_language(AIDA, "en")
        self.side = Side(self.people, cast(Outbox, self.outbox), Claims(self.database, "marker"))
        self.intake = self._intake(FAST)
        self._running: asyncio.Task[None] | None = None

    def _intake(self, limits: Limits) -> Intake:
        return Intake(cast(AnyApplication, self.application), self.poll, self.side, limits)

    def starts(self, limits: Limits = FAST) -> None:
        """Start, as a new process does."""
        self.intake = self._intake(limits)
        self._running = asyncio.create_task(self.intake.run())

    async def is_killed(self) -> None:
        """End without closing, so that nothing is confirmed any more."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        for task in list(self.intake._tasks.values()):
            task.cancel()

    async def sees(self, note: str) -> None:
        """Wait for a handler's note."""
        await eventually_true(note, lambda: note in self.application.notes)

    async def confirms(self, *left: int) -> None:
        """Wait until only these updates are not confirmed."""
        await eventually_true(f"only {left}", lambda: self.telegram.waiting() == list(left))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.is_killed()


async def test_one_person_in_order(scene: Scene) -> None:
    """One person's updates are handled one after the other, in the order of their arrival."""
    scene.application.holds("one")
    scene.telegram.sends(*(message(AIDA, name) for name in ("one", "two", "three")))
    scene.starts()
    await scene.sees("one begins")
    assert scene.application.notes == ["one begins"]
    scene.application.held["one"].set()
    await scene.sees("three ends")
    assert scene.application.notes == ["one begins", "one ends", "two begins", "two ends", "three begins", "three ends"]


async def test_people_side_by_side(scene: Scene) -> None:
    """A slow handler of one person does not delay others."""
    scene.application.holds("Aida")
    scene.telegram.sends(message(AIDA, "Aida"))
    scene.starts()
    await scene.sees("Aida begins")
    scene.telegram.sends(message(BEN, "Ben"))
    await scene.sees("Ben ends")
    assert scene.application.notes == ["Aida begins", "Ben begins", "Ben ends"]


async def test_failing_handler(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """After an error that no error handler took, the person's next update is handled; the log has no text of it."""
    scene.telegram.sends(message(AIDA, "fail"), message(AIDA, "next"))
    scene.starts()
    await scene.sees("next ends")
    await scene.confirms()
    assert "update 1 of person 501 failed: ZeroDivisionError" in caplog.text


async def test_many_people(scene: Scene) -> None:
    """The updates of a whole course are handled concurrently, although Telegram sends 100 at a time."""
    names = [str(person) for person in range(1000, 1300)]
    scene.application.holds(*names)
    scene.telegram.sends(*(message(int(name), name) for name in names))
    scene.starts(Limits(repeat=0.005, hold=0.0))
    await scene.sees("1299 begins")
    assert len(scene.application.notes) == 300


async def test_updates_that_cannot_be_parsed(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """A bad update is skipped and logged by its id alone; the others of the batch are handled, the offset moves on."""
    scene.telegram.sends({"message": 5}, message(AIDA, "hello"), {"message": {"text": "my password"}}, {"poll": {}})
    with caplog.at_level("DEBUG"):
        scene.starts()
        await scene.sees("hello ends")
        await scene.confirms()
    assert scene.application.notes == ["hello begins", "hello ends"]
    assert "update 1: unreadable" in caplog.text
    assert "password" not in caplog.text


async def test_an_update_without_an_id(scene: Scene) -> None:
    """What can't be confirmed holds up nobody."""
    scene.starts()
    await scene.intake.take([(None, [1, 2]), (None, {"message": 1}), (7, {"update_id": 7, **message(AIDA, "hello")})])
    await scene.sees("hello ends")


class TestAtLeastOnce:
    """What is confirmed to Telegram, and what a new process handles."""

    async def test_offset(self, scene: Scene) -> None:
        """Only what is handled is confirmed, with all before it; what Telegram repeats is not handled twice."""
        scene.application.holds("slow")
        scene.telegram.sends(message(AIDA, "slow"), message(BEN, "fast"))
        scene.starts()
        await scene.sees("fast ends")
        polls = scene.telegram.polls
        await eventually_true("more polls", lambda: scene.telegram.polls > polls + 3)
        assert (scene.telegram.waiting(), scene.intake.offset) == ([1, 2], 1)
        scene.application.held["slow"].set()
        await scene.confirms()
        assert scene.application.notes == ["slow begins", "fast begins", "fast ends", "slow ends"]

    async def test_killed(self, scene: Scene) -> None:
        """After a kill, what was not handled is handled, and a message that was handled is not handled again."""
        scene.people.set_language(BEN, "en")
        scene.application.holds("slow")
        scene.telegram.sends(message(AIDA, "slow"), message(BEN, "fast"), message(AIDA, "waits"))
        scene.starts()
        await eventually_true("the record", lambda: scene.people.handled() == {BEN: 2})
        await scene.is_killed()
        scene.application.held.clear()
        scene.application.notes.clear()
        scene.starts()
        await scene.sees("waits ends")
        assert scene.application.notes == ["slow begins", "slow ends", "waits begins", "waits ends"]
        await scene.confirms()

    async def test_ids_that_begin_anew(self, scene: Scene) -> None:
        """A message with a much lower id than the last handled one is handled: Telegram's ids may begin anew."""
        scene.people.set_handled(AIDA, 500_000)
        scene.telegram.sends(message(AIDA, "hello"))
        scene.starts()
        await scene.sees("hello ends")

    async def test_a_forgotten_person(self, scene: Scene) -> None:
        """Nothing is recorded of somebody whose data are deleted."""
        scene.people.forget(AIDA)
        scene.people.set_handled(AIDA, 5)
        assert scene.people.handled() == {}

    async def test_stop(self, scene: Scene) -> None:
        """At the stop running handlers get to their end, what waits is not begun, and Telegram sends it again."""
        scene.application.holds("runs")
        scene.telegram.sends(message(AIDA, "runs"), *(message(AIDA, f"waits {number}") for number in range(15)))
        scene.starts()
        await scene.sees("runs begins")
        asyncio.get_running_loop().call_later(0.01, scene.application.held["runs"].set)
        await scene.intake.close()
        assert scene.application.notes == ["runs begins", "runs ends"]
        assert scene.telegram.waiting() == list(range(2, 17))


class TestHeldUp:
    """Nobody waits for somebody else."""

    async def test_too_slow(self, scene: Scene) -> None:
        """What takes too long is confirmed all the same; the deletion of a password is queued before."""

        async def is_password(_person: int, text: str) -> bool:
            return text == "secret"

        scene.side.may_be_password = is_password
        scene.application.holds("slow")
        scene.telegram.sends(message(AIDA, "slow", 11), message(AIDA, "secret", 12), message(BEN, "fast", 13))
        scene.starts(Limits(repeat=0.005, hold=0.0))
        await scene.confirms()
        assert [(each.action, each.message_id) for each in scene.outbox.items] == [("delete", 12)]
        wanted = ["slow begins", "fast begins", "fast ends"]
        await eventually_true("the others are handled", lambda: scene.application.notes == wanted)

    async def test_600_messages(self, scene: Scene) -> None:
        """600 messages of one person, the first of which hangs, delay nobody: 20 wait, the person is told once."""
        scene.application.holds("0")
        scene.telegram.sends(*(message(AIDA, str(number), number + 1) for number in range(600)), message(BEN, "/help"))
        scene.starts()
        await scene.sees("/help ends")
        await scene.confirms()
        assert scene.application.notes == ["0 begins", "/help begins", "/help ends"]
        assert [item.chat_id for item in scene.outbox.items] == [AIDA]
        assert "faster than I can answer" in scene.outbox.items[0].text
        scene.application.held["0"].set()
        await scene.sees("20 ends")
        scene.telegram.sends(message(AIDA, "later"))
        await scene.sees("later ends")
        assert "21 begins" not in scene.application.notes

    @pytest.mark.parametrize("error", [None, DatabaseUnavailable("disk full"), sqlite3.DatabaseError("malformed")])
    async def test_600_passwords(self, scene: Scene, error: Exception | None) -> None:
        """What is dropped is deleted from the chat where a password is asked for, also on a full disk."""

        async def is_password(person: int, _text: str) -> bool:
            return person == AIDA

        scene.side.may_be_password, scene.outbox.error = is_password, error
        scene.application.holds("0")
        scene.telegram.sends(*(message(AIDA, str(number), number + 1) for number in range(600)), message(BEN, "/help"))
        scene.starts()
        await scene.sees("/help ends")
        await scene.confirms()
        deleted = [item.message_id for item in scene.outbox.items + scene.outbox.done if item.action == "delete"]
        assert sorted(each for each in deleted if each) == list(range(1, 601))

    async def test_hidden_behind(self, scene: Scene) -> None:
        """100 updates of people whose handlers hang don't hide newer ones."""
        names = [str(person) for person in range(1000, 1000 + LIMIT)]
        scene.application.holds(*names)
        scene.telegram.sends(*(message(int(name), name) for name in names), message(BEN, "/help"))
        scene.starts()
        await scene.sees("/help ends")

    async def test_too_many_in_all(self, scene: Scene) -> None:
        """While very many updates wait, no more are fetched."""
        scene.application.holds("slow 0", "slow 1", "slow 2")
        scene.telegram.sends(*(message(1000 + number, f"slow {number}") for number in range(3)))
        scene.starts(Limits(repeat=0.005, most_in_all=3))
        await scene.sees("slow 2 begins")
        polls = scene.telegram.polls
        scene.telegram.sends(message(BEN, "waits"))
        await asyncio.sleep(0)
        assert scene.telegram.polls == polls
        scene.application.held["slow 1"].set()
        await scene.sees("waits ends")


class TestPolls:
    """Polls that fail, and what the health report gets to know."""

    async def test_errors(self, scene: Scene) -> None:
        """After a lost connection or an error the next poll follows; a time-out is no error, another one is told."""
        scene.telegram.errors = [TimedOut(), Conflict("another one polls")]
        scene.telegram.sends(message(AIDA, "hello"))
        scene.starts()
        await scene.sees("hello ends")
        assert [type(error) for error in scene.application.errors] == [Conflict]

    async def test_refused_token(self, scene: Scene) -> None:
        """A refused token ends the polling."""
        scene.telegram.errors = [InvalidToken()]
        await asyncio.wait_for(scene.intake.run(), PATIENCE)
        assert scene.telegram.polls == 1

    async def test_a_bug_in_the_polling(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """An unforeseen error is logged without its text, and the polling goes on."""
        scene.telegram.errors = [KeyError("my password")]
        scene.telegram.sends(message(AIDA, "hello"))
        scene.starts()
        await scene.sees("hello ends")
        assert "polling: KeyError" in caplog.text
        assert "password" not in caplog.text

    async def test_progress(self, scene: Scene) -> None:
        """A poll counts for /healthz once its updates are handled, not when it is answered."""
        scene.telegram.sends({"message": 5})
        scene.starts(Limits(repeat=0.005, stuck=0.0))
        await scene.confirms()
        assert scene.poll.answered_at is None  # with ``stuck`` 0 nothing counts
        await scene.is_killed()
        scene.telegram.sends({"message": 5})
        scene.starts()
        await eventually_true("progress", lambda: scene.poll.answered_at is not None)

    async def test_no_progress(self, scene: Scene) -> None:
        """While updates wait and none is handled, there is no progress, although Telegram answers."""
        scene.application.holds("hangs")
        scene.telegram.sends(message(AIDA, "hangs"))
        scene.starts(Limits(repeat=0.005, stuck=0.02))
        await scene.sees("hangs begins")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await eventually_true("some polls", lambda: loop.time() > begun + 0.05)
        answered, polls = scene.poll.answered_at, scene.telegram.polls
        await eventually_true("more polls", lambda: scene.telegram.polls > polls + 2)
        assert scene.poll.answered_at == answered
        scene.application.held["hangs"].set()
        await eventually_true("progress", lambda: scene.poll.answered_at != answered)


def test_sender_of_a_parsed_update() -> None:
    """What passes has a sender."""
    update = Update.de_json({"update_id": 1, **message(AIDA, "hello")}, cast(Any, SimpleNamespace()))
    assert sender(update) == AIDA


def test_a_page_instead_of_an_answer() -> None:
    """A proxy's page is an error of the network, and not quoted."""
    from telegram_app.wire import batch_of

    with pytest.raises(NetworkError) as error:
        batch_of(b"<html>my password</html>")
    assert "password" not in str(error.value)
