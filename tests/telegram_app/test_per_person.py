"""Updates of one person are handled in order, those of different people concurrently."""

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
    """Handlers that wait until a test ends them, and record their beginning and end."""

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
    """One person's updates are handled one after the other, in the order of their arrival."""
    async with asyncio.TaskGroup() as tasks:
        for name in ("one", "two", "three"):
            tasks.create_task(processor.process_update(update(AIDA), handlers.handle(name)))
        await handlers.until("one begins")
        handlers.end("three", "two")
        assert handlers.notes == ["one begins"]
        handlers.end("one")
    assert handlers.notes == ["one begins", "one ends", "two begins", "two ends", "three begins", "three ends"]


async def test_people_side_by_side(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """A slow handler of one person does not delay others."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(processor.process_update(update(AIDA), handlers.handle("Aida")))
        await handlers.until("Aida begins")
        handlers.end("Ben")
        await processor.process_update(update(BEN), handlers.handle("Ben"))
        assert handlers.notes == ["Aida begins", "Ben begins", "Ben ends"]
        handlers.end("Aida")


async def test_failing_handler(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """A handler's error is passed on, and the person's next update is handled."""

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await processor.process_update(update(AIDA), fail())
    handlers.end("next")
    await processor.process_update(update(AIDA), handlers.handle("next"))
    assert handlers.notes == ["next begins", "next ends"]


async def test_cancelled_handler(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """After a handler was cancelled, the person's next update is handled."""
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(processor.process_update(update(AIDA), handlers.handle("first")))
        await handlers.until("first begins")
        tasks.create_task(processor.process_update(update(AIDA), handlers.handle("next")))
        first.cancel()
        handlers.end("next")
    assert handlers.notes == ["first begins", "next begins", "next ends"]


async def test_update_without_a_person(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """An update without a person is handled as well, and delays no person."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(processor.process_update(Update(1), handlers.handle("no person's")))
        await handlers.until("no person's begins")
        handlers.end("Aida")
        await processor.process_update(update(AIDA), handlers.handle("Aida"))
        handlers.end("no person's")
    assert handlers.notes[-1] == "no person's ends"


async def test_many_people(processor: PerPersonUpdateProcessor, handlers: Handlers) -> None:
    """The updates of a whole course are handled concurrently."""
    async with asyncio.TaskGroup() as tasks:
        for person in range(300):
            tasks.create_task(processor.process_update(update(person), handlers.handle(str(person))))
        await handlers.until("299 begins")
        assert len(handlers.notes) == 300
        handlers.end(*(str(person) for person in range(300)))
