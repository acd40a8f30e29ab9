"""Faces compared on this machine, in worker processes: dlib holds the interpreter's lock, so threads gain nothing.

Processes are spawned, not forked, so that they have nothing of ours but what they are given. A note that brings its
worker down, or keeps it for too long, fails alone: the others in the queue go on with the next worker.
"""

import asyncio
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from pebble import ProcessExpired, ProcessPool

from classroom.domain.face_policy import Examined, Motion
from classroom.faces import FaceRefused, FaceUnavailable, PhotoUnusable

log = logging.getLogger(__name__)

SHARE = 0.8  # of the cores
LONGEST = 20.0  # seconds for one note; the slowest measured here took under one
STUCK_AFTER = 10.0  # seconds more, for the pool to end a worker itself
END_WITHIN = 3.0  # seconds, for the worker in the middle of a note


def workers() -> int:
    """Return how many worker processes fit this machine: four fifths of the cores we may use, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(SHARE * cores))


class LocalEngine:
    """A ``FaceEngine``, and a judge of challenges for others."""

    name = "local"
    keeps_templates = True

    def __init__(
        self,
        threshold: float,
        processes: int | None = None,
        longest: float = LONGEST,
        stuck_after: float = STUCK_AFTER,
    ) -> None:
        """Take the threshold in percent, how many processes, and for how many seconds one may work on a note."""
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
        """Start the workers before the first note comes: each needs about a second for its models."""
        for _worker in range(self._processes):
            self._schedule(_ready, ())

    async def template(self, photo: bytes) -> bytes:
        """Return an ID photo's descriptor. Raises PhotoUnusable, FaceUnavailable, FaceRefused."""
        made: bytes = await self._do(_template, photo)
        return made

    async def examine(self, note: bytes, motions: Sequence[Motion], template: bytes) -> Examined:
        """Judge a note and compare its face. Raises PhotoUnusable, FaceUnavailable, FaceRefused."""
        found: Examined = await self._do(_examined, note, list(motions), template, self._threshold)
        return found

    async def judge(self, note: bytes, motions: Sequence[Motion]) -> Examined:
        """Judge a note without comparing its face. Raises FaceUnavailable, FaceRefused."""
        found: Examined = await self._do(_judged, note, list(motions))
        return found

    async def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Let a worker do something: the first call starts them, which takes a moment."""
        try:
            async with self._free:
                future = await asyncio.to_thread(self._schedule, work, arguments)
                async with asyncio.timeout(self.longest + self._stuck_after):
                    kind, value = await asyncio.wrap_future(future)
        except ProcessExpired as error:
            raise FaceUnavailable(f"a face worker died (exit {error.exitcode})") from error
        except TimeoutError as error:
            if future.cancelled():  # the pool's own time-out has not come: it waits for a worker that is frozen
                await asyncio.to_thread(self._replace)
            raise FaceUnavailable(f"a face worker took longer than {self.longest:.0f} seconds") from error
        except RuntimeError as error:  # the pool is closed, or can't start a process
            raise FaceUnavailable(f"no face worker ({type(error).__name__})") from error
        if kind == "unusable":
            raise PhotoUnusable(value)
        if kind == "refused":
            raise FaceRefused(value)
        if kind == "failed":
            raise FaceUnavailable(f"a face worker failed: {value}")
        return value

    def _schedule(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> "Future[Any]":
        """Hand work to the pool; one whose workers all died while they had nothing to do is of no more use."""
        with self._lock:
            if not self._closed and not self._pool.active:
                self._pool = self._new_pool()
            scheduled: Future[Any] = self._pool.schedule(work, arguments, timeout=self.longest)
            return scheduled

    def _replace(self) -> None:
        """End a pool that does nothing any more, and its workers; put a new one in its place."""
        with self._lock:
            if self._closed:
                return
            log.warning("the face workers do not answer: starting new ones")
            old, self._pool = self._pool, self._new_pool()
        old.stop()  # type: ignore[no-untyped-call]
        old.join()

    async def close(self) -> None:
        """End every worker: those in the middle of a note within ``END_WITHIN`` seconds."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            self._pool.close()  # type: ignore[no-untyped-call]
        try:
            self._pool.join(END_WITHIN)
        except TimeoutError:
            log.warning("face workers are ended in the middle of their work")
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()


# In the worker. What fails comes back as a pair of its kind and one line: an exception's own text may hold anything.


def _prepare() -> None:
    os.nice(5)  # the loop's answers first
    _guarded("prepare")  # what fails here is said at the first task, where it can be told to somebody


def _guarded(name: str, *arguments: Any) -> tuple[str, Any]:
    try:
        from classroom.faces import examining, models
    except ImportError as error:
        return "refused", f"the face engine is not installed ({error.name})"
    try:
        return "done", getattr(examining, name)(*arguments)
    except (ImportError, models.NoModels) as error:
        return "refused", f"the face engine is not installed ({error})"
    except examining.Unusable as error:
        return "unusable", str(error)
    except Exception as error:  # noqa: BLE001  # whatever else: the worker goes on, and the log has the kind
        return "failed", type(error).__name__


def _ready() -> None:
    """Do nothing: the models are there before any work."""


def _template(photo: bytes) -> tuple[str, Any]:
    return _guarded("template_of", photo)


def _examined(*arguments: Any) -> tuple[str, Any]:
    return _guarded("examined", *arguments)


def _judged(*arguments: Any) -> tuple[str, Any]:
    return _guarded("judged", *arguments)
