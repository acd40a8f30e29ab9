"""Bridge: from a monitor's thread to the event loop."""

import asyncio
import threading

import pytest

from marker.monitors.bridge import Bridge
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit


@pytest.fixture
async def bridge() -> Bridge:
    return Bridge(asyncio.get_running_loop())


async def test_from_a_thread(bridge: Bridge) -> None:
    """Coroutines sent from a thread run on the loop in the order of sending."""
    arrived: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def arrive(number: int) -> None:
        arrived.put_nowait((number, threading.current_thread().name))

    def send_all() -> None:
        for number in range(3):
            assert bridge.send(arrive(number))

    await asyncio.to_thread(send_all)
    here = threading.current_thread().name
    async with asyncio.timeout(PATIENCE):
        assert [await arrived.get() for _ in range(3)] == [(0, here), (1, here), (2, here)]


async def test_failure(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    """An exception on the loop is logged with its cause, and the bridge goes on working."""
    passed = asyncio.Event()

    async def fail() -> None:
        raise ZeroDivisionError("a mistake")

    async def succeed() -> None:
        passed.set()

    assert await asyncio.to_thread(bridge.send, fail())
    assert await asyncio.to_thread(bridge.send, succeed())
    async with asyncio.timeout(PATIENCE):
        await passed.wait()
    await bridge.close()
    assert "bridge: a coroutine failed" in caplog.text
    assert "ZeroDivisionError: a mistake" in caplog.text


async def test_closing_waits(bridge: Bridge) -> None:
    """Closing waits for scheduled coroutines."""
    may_end, began, notes = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        began.set()
        await may_end.wait()
        notes.append("work is done")

    bridge.send(work())
    await began.wait()
    closing = asyncio.create_task(bridge.close())
    await asyncio.sleep(0)
    assert not closing.done()
    may_end.set()
    await closing
    assert notes == ["work is done"]


async def test_closed(bridge: Bridge) -> None:
    """After closing coroutines are refused and never run."""
    notes: list[str] = []

    async def work() -> None:
        notes.append("ran")

    await bridge.close()
    assert not await asyncio.to_thread(bridge.send, work())
    await asyncio.sleep(0)
    assert notes == []


async def test_many_threads_and_a_close(bridge: Bridge) -> None:
    """With threads that send while the bridge closes, each coroutine either ran or was refused."""
    ran, accepted, together = list[int](), list[bool](), threading.Barrier(9)

    async def work(number: int) -> None:
        ran.append(number)

    def send(number: int) -> None:
        together.wait()
        accepted.append(bridge.send(work(number)))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(together.wait)
    await bridge.close()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert len(accepted) == 8
    assert len(ran) == sum(accepted)
