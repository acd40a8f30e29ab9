"""Updates of one person one after the other, those of different people side by side."""

import asyncio
from datetime import UTC, datetime

import pytest
from telegram import Chat, Message, Update, User

from telegram_app.per_person import PerPersonUpdateProcessor

pytestmark = pytest.mark.unit


AIDA, BEN = 501, 502


def update(person: int) -> Update:
    message = Message(
        1, datetime(2026, 9, 7, 4, tzinfo=UTC), Chat(person, "private"), from_user=User(person, "Someone", is_bot=False)
    )
    return Update(1, message=message)


class Handlers:
    """Handlers that end when they are told, and note what they do."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._may_end: dict[str, asyncio.Event] = {}
        self._noted = asyncio.Condition()

    async def handle(self, name: str) -> None:
        await self._note(f"{name} begins")
        await self._may_end.setdefault(name, asyncio.Event()).wait()
        await self._note(f"{name} ends")

    def end(self, *names: str) -> None:
        for name in names:
            self._may_end.setdefault(name, asyncio.Event()).set()

    async def until(self, note: str) -> None:
        async with self._noted, asyncio.timeout(20):
            await self._noted.wait_for(lambda: note in self.notes)

    async def _note(self, note: str) -> None:
        async with self._noted:
            self.notes.append(note)
            self._noted.notify_all()


@pytest.fixture
async def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def processor() -> PerPersonUpdateProcessor:
    return PerPersonUpdateProcessor()


async def test_one_person_in_order(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """One person's updates are handled in the order in which they came, none before the last one's end."""
    async with asyncio.TaskGroup() as tasks:
        for name in ("one", "two", "three"):
            tasks.create_task(processor.process_update(update(AIDA), handlers.handle(name)))
        await handlers.until("one begins")
        handlers.end("three", "two")
        assert handlers.notes == ["one begins"]
        handlers.end("one")
    assert handlers.notes == ["one begins", "one ends", "two begins", "two ends", "three begins", "three ends"]


async def test_people_side_by_side(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """A slow handler of one person holds up nobody else."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(processor.process_update(update(AIDA), handlers.handle("Aida")))
        await handlers.until("Aida begins")
        handlers.end("Ben")
        await processor.process_update(update(BEN), handlers.handle("Ben"))
        assert handlers.notes == ["Aida begins", "Ben begins", "Ben ends"]
        handlers.end("Aida")


async def test_failing_handler(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """A handler that fails hands its error on, and the person's next update is handled."""

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await processor.process_update(update(AIDA), fail())
    handlers.end("next")
    await processor.process_update(update(AIDA), handlers.handle("next"))
    assert handlers.notes == ["next begins", "next ends"]


async def test_cancelled_handler(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """A handler that is cancelled lets the person's next update in."""
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(processor.process_update(update(AIDA), handlers.handle("first")))
        await handlers.until("first begins")
        tasks.create_task(processor.process_update(update(AIDA), handlers.handle("next")))
        first.cancel()
        handlers.end("next")
    assert handlers.notes == ["first begins", "next begins", "next ends"]


async def test_updates_of_nobody(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """An update without a person is handled as well, and holds up no person."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(processor.process_update(Update(1), handlers.handle("nobody's")))
        await handlers.until("nobody's begins")
        handlers.end("Aida")
        await processor.process_update(update(AIDA), handlers.handle("Aida"))
        handlers.end("nobody's")
    assert handlers.notes[-1] == "nobody's ends"


async def test_many_people(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """A whole course may tap at the same moment."""
    async with asyncio.TaskGroup() as tasks:
        for person in range(300):
            tasks.create_task(processor.process_update(update(person), handlers.handle(str(person))))
        await handlers.until("299 begins")
        assert len(handlers.notes) == 300
        handlers.end(*(str(person) for person in range(300)))
