"""The local face engine, in worker processes: dlib holds the GIL, so threads would not help.

Processes are spawned, not forked, so that they inherit nothing. A note that crashes its worker, or takes too long,
fails alone: the other notes go on with another worker.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from pebble import ProcessExpired, ProcessPool

from classroom.domain.face_policy import SCALE, Examined, Motion
from classroom.faces import FaceError, FaceRefused, FaceUnavailable

log = logging.getLogger(__name__)

SHARE = 0.8  # of the cores
LONGEST = 20.0  # seconds for one note; the slowest one measured took under one
STUCK_AFTER = 10.0  # more seconds, in which the pool should end the worker itself
END_WITHIN = 3.0  # seconds for workers that examine a note


def workers() -> int:
    """Return the number of worker processes: four fifths of the available cores, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(SHARE * cores))


class LocalEngine:
    """A ``FaceEngine`` and a challenge checker. ``threshold`` is in percent, ``longest`` in seconds for a note."""

    name = f"local-{SCALE}"
    keeps_templates = True

    def __init__(
        self, threshold: float, processes: int | None = None, longest: float = LONGEST, stuck_after: float = STUCK_AFTER
    ) -> None:
        self._threshold = threshold
        self.longest = longest
        self._stuck_after = stuck_after
        self._processes = processes or workers()
        self._free = asyncio.Semaphore(self._processes)
        self._lock = threading.Lock()
        self._pool = self._new_pool()
        self._closed = False

    def _new_pool(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")
        return ProcessPool(max_workers=self._processes, initializer=_prepare, context=context)

    def warm_up(self) -> None:
        """Start the workers before the first note comes: each loads its models for about a second."""
        for _worker in range(self._processes):
            self._schedule("prepare", ())  # the initializer does it; this call starts the worker

    async def template(self, photo: bytes) -> bytes:
        made: bytes = await self._run("template_of", photo)
        return made

    async def examine(
        self, note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()
    ) -> Examined:
        found: Examined = await self._run("examine", note, list(motions), template, list(others))
        return found

    async def check_challenge(self, note: bytes, motions: Sequence[Motion]) -> Examined:
        found: Examined = await self._run("check_challenge", note, list(motions))
        return found

    async def _run(self, name: str, *arguments: Any) -> Any:
        """Run a function of ``examining`` in a worker; the first call starts the workers."""
        try:
            async with self._free:
                pool, future = await asyncio.to_thread(self._schedule, name, arguments)
                async with asyncio.timeout(self.longest + self._stuck_after):
                    return await asyncio.wrap_future(future)
        except ProcessExpired as error:
            raise FaceUnavailable(f"a face worker died (exit {error.exitcode})") from error
        except TimeoutError as error:
            if future.cancelled():  # the pool's own time-out did not work: it waits for a frozen worker
                log.warning("the face workers do not answer: starting new ones")
                await asyncio.to_thread(_stop, pool)
            raise FaceUnavailable(f"a face worker took longer than {self.longest:.0f} seconds") from error
        except RuntimeError as error:  # the pool is closed, or can't start a process
            raise FaceUnavailable(f"no face worker ({type(error).__name__})") from error

    def _schedule(self, name: str, arguments: tuple[Any, ...]) -> "tuple[ProcessPool, Future[Any]]":
        """Schedule work; a pool that was stopped, or failed because all its idle workers died, is replaced first."""
        with self._lock:
            if not self._closed and not self._pool.active:
                self._pool = self._new_pool()
            return self._pool, self._pool.schedule(_in_worker, (name, *arguments), timeout=self.longest)

    async def close(self) -> None:
        """End all workers; those that examine a note have ``END_WITHIN`` seconds."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            self._pool.close()  # type: ignore[no-untyped-call]
        try:
            self._pool.join(END_WITHIN)
        except TimeoutError:
            log.warning("face workers are ended before they have finished")
            _stop(self._pool)


def _stop(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _prepare() -> None:
    os.nice(5)  # the event loop has priority
    with contextlib.suppress(FaceError):  # the first task reports it
        _in_worker("prepare")


def _in_worker(name: str, *arguments: Any) -> Any:
    """Run a function of ``examining``. Raises only FaceErrors: another exception's own text may contain anything."""
    try:
        from classroom.faces import examining

        return getattr(examining, name)(*arguments)
    except FaceError:
        raise
    except ImportError as error:
        raise FaceRefused(f"the face engine is not installed ({error.name})") from None
    except Exception as error:  # noqa: BLE001  # the worker goes on, and the kind is logged
        raise FaceUnavailable(f"a face worker failed: {type(error).__name__}") from None
