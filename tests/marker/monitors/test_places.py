"""Places for Chromes: never more than there are, and each one is given back, whatever fails."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.events import Event
from marker.monitors.password_check import Outcome, SignInCheck
from portal.browser import Chromes
from portal.errors import BrowserFailed, SignInRefused
from portal.limits import PortalLimits
from storage import StorageUnavailable
from tests.fakes import LOGIN, FakeClock, FakePortal
from tests.marker.monitors.test_registry import AIDA, BEN, CARL, House
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit

CAPACITY, NEW = 2, 504
PEOPLE = (AIDA, BEN, CARL)
NO_THREAD = RuntimeError("can't start new thread")
STEPS = ("start", "stop", "restart", "resume", "trial", "given up trial", "end", "die", "remove", "move")
step = st.tuples(st.sampled_from(STEPS), st.sampled_from(PEOPLE), st.booleans())


class NoProcesses(Chromes):
    """Profiles whose browsers have no processes to look for."""

    def kill(self, name: str) -> None:
        pass


class Places:
    """A registry and a password check that share its places, with portals and threads that may fail."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder, CAPACITY)
        self.house.register(*PEOPLE)
        self.registry = self.house.registry
        portal = FakePortal(FakeClock())
        portal.page = LOGIN
        self.portal, self.fails = portal, False
        places = self.registry.take_place, self.registry.give_place_back
        self.check = SignInCheck(self._open, NoProcesses(folder), PortalLimits(), "http://p", *places)

    def _open(self, profile: str, pause: Any) -> FakePortal:
        if self.fails:
            raise BrowserFailed("did not start")
        return self.portal.open(profile, pause)

    async def do(self, what: str, person: int, fails: bool) -> None:
        """Take one step, in which threads or files fail where ``fails`` says so."""
        registry, house = self.registry, self.house
        self.fails, house.start_fails = fails, NO_THREAD if fails else None
        match what:
            case "start":
                await registry.start(person)
            case "stop":
                await registry.stop(person)
            case "restart":
                await registry.restart(person, _raise if fails else lambda: None)
            case "resume":
                await registry.resume()
            case "trial":
                self.portal.sign_ins.append(SignInRefused("no"))
                await self.check.attempt("a_student", "x")
            case "given up trial":
                trying = asyncio.create_task(self.check.attempt("a_student", "x"))
                await asyncio.sleep(0)
                trying.cancel()
                await asyncio.gather(trying, return_exceptions=True)
            case "end" | "die" if registry.running(person):
                monitor = next(each for each in reversed(house.made) if each.student.telegram_id == person)
                if what == "end":
                    monitor.end(Event.BLOCKED)
                else:
                    monitor.die()
            case "remove":
                await registry.remove(person, _raise if fails else lambda _student: None)
            case "move":
                await registry.move(person, NEW, lambda: house.storage.move(person, NEW))

    def taken(self) -> int:
        """Return how many places are taken, by taking the others and giving them back."""
        free = 0
        while self.registry.take_place():
            free += 1
        for _ in range(free):
            self.registry.give_place_back()
        return CAPACITY - free

    async def settled(self) -> None:
        """Wait until the trials that were given up have ended."""
        async with asyncio.timeout(PATIENCE):
            while self.taken() > len(self.registry.active()):  # noqa: ASYNC110  # other threads end
                await asyncio.sleep(0.001)


def _raise(*_arguments: object) -> None:
    raise StorageUnavailable("disk full")


@settings(max_examples=25)
@given(st.lists(st.lists(step, min_size=1, max_size=4), max_size=8))
@pytest.mark.ordeal
def test_every_place_is_given_back(rounds: list[list[tuple[str, int, bool]]]) -> None:
    """After any steps, several at a time, exactly the running monitors hold places, and never more than there are."""

    async def play(folder: Path) -> None:
        places = Places(folder)
        for steps in rounds:
            await asyncio.gather(*(places.do(*each) for each in steps), return_exceptions=True)
            await places.settled()
            assert places.taken() == len(places.registry.active()) <= CAPACITY
        for person in (*PEOPLE, NEW):
            await asyncio.gather(places.registry.stop(person), return_exceptions=True)
        assert places.taken() == 0
        await places.check.close()
        await places.registry.close()

    with TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


async def test_no_thread_for_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial for which no thread can be started is "not tried", and its place is free again."""
    places = Places(tmp_path)
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", _no_thread)
        assert (await places.check.attempt("a_student", "x")).outcome is Outcome.NOT_TRIED
    assert places.taken() == 0


async def test_no_thread_for_the_end_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that is given up, with no thread left to end its Chrome, gives its place back when it ends by itself."""
    places = Places(tmp_path)
    places.portal.sign_ins.append(SignInRefused("no"))
    await places.check.attempt("a_student", "x")  # its thread stays
    await places.settled()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", _no_thread)
        await places.do("given up trial", AIDA, False)
    await places.settled()
    assert places.taken() == 0


async def test_no_thread_for_a_monitor(tmp_path: Path) -> None:
    """A monitor that can't be started is tried again with growing pauses; the others run, and the admin is told."""
    places = Places(tmp_path)
    house, clock = places.house, places.house.clock
    await asyncio.to_thread(house.storage.set_monitoring, AIDA, True)
    house.start_fails = NO_THREAD
    for _ in range(3):
        await places.registry.resume()
    assert (len(house.made), places.registry.waiting()) == (1, 1)
    assert (await house.next_event())[::2] == (AIDA, Event.RESTARTED)
    await asyncio.to_thread(house.storage.set_monitoring, BEN, True)
    clock.advance(10)
    await places.registry.resume()
    assert len(house.made) == 3
    house.start_fails = None
    clock.advance(5)
    assert await places.registry.resume() == 0
    clock.advance(5)
    assert await places.registry.resume() == 1
    clock.advance(10)
    assert await places.registry.resume() == 1
    assert places.registry.waiting() == 0
    assert set(places.registry.active()) == {AIDA, BEN}


def _no_thread(_thread: threading.Thread) -> None:
    raise NO_THREAD
