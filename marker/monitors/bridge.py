"""Passes calls from the monitors' threads to the event loop."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

log = logging.getLogger(__name__)


class Bridge:
    """Schedules coroutines on the loop from any thread; logs their exceptions, refuses new ones after closing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._closed = False
        self._pending: set[Future[Any]] = set()

    def send(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Schedule a coroutine from any thread; after closing it is dropped, and the answer is False."""
        with self._lock:
            if self._closed:
                coroutine.close()
                log.info("bridge: closed, %s dropped", getattr(coroutine, "__qualname__", "a coroutine"))
                return False
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            self._pending.add(future)
        future.add_done_callback(self._finished)
        return True

    async def close(self) -> None:
        """Refuse new coroutines and wait for the scheduled ones."""
        with self._lock:
            self._closed = True
        await self.settled()

    async def settled(self) -> None:
        with self._lock:
            pending = list(self._pending)
        await asyncio.gather(*(asyncio.wrap_future(each) for each in pending), return_exceptions=True)

    def _finished(self, future: "Future[Any]") -> None:
        with self._lock:
            self._pending.discard(future)
        if not future.cancelled() and future.exception() is not None:
            log.error("bridge: a coroutine failed", exc_info=future.exception())
