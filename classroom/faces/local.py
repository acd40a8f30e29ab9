"""The local face engine, in worker processes: the models hold the GIL, so threads would not help.

A note that brings down its worker, or takes too long, fails alone: the other notes go on with another worker. Such a
note is then examined apart, in a fresh worker of its own, so that it holds up nobody.
"""

import asyncio
import functools
import hashlib
import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

from classroom.domain.face_policy import SCALE, Examined, Motion
from classroom.faces import FaceUnavailable, NoteCrashed, PhotoUnusable
from classroom.faces.photo import PhotoFault
from classroom.faces.worker import LAST, NICE, Worker, WorkerDied
from core.machine import FACE_WORKER, Machine

log = logging.getLogger(__name__)

LONGEST = 20.0  # seconds for one note
CPU = 2.5  # seconds of a core for one note; the slowest one measured took one
CPU_APART = 8.0  # likewise, for a note that is examined apart: on a slow machine, or a long one
END_WITHIN = 3.0  # seconds for workers that examine a note
_SUSPECTS = 1000  # notes remembered that brought down a worker


@functools.cache  # the first answer counts: later the workers themselves have taken memory
def workers() -> int:
    """Return the number of worker processes: one for each available core, fewer if not so many fit; or 0."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, *Machine().room(FACE_WORKER).fits.values())


class LocalEngine:
    """A ``FaceEngine`` and a challenge checker. The limits are seconds for one note."""

    name = f"local-{SCALE}"
    keeps_templates = True

    def __init__(
        self,
        processes: int | None = None,
        longest: float = LONGEST,
        cpu: float = CPU,
        cpu_apart: float = CPU_APART,
    ) -> None:
        self.longest, self._cpu, self._cpu_apart = longest, cpu, cpu_apart
        self._processes = processes or workers()
        self._shared = ThreadPoolExecutor(self._processes, "faces")  # each thread has a worker
        self._apart = ThreadPoolExecutor(1, "faces-apart")
        self._own = threading.local()
        self._started: set[Worker] = set()
        self._waiting: set[Future[Any]] = set()
        self._suspects: deque[bytes] = deque(maxlen=_SUSPECTS)
        self._closed = False

    def warm_up(self) -> None:
        """Start the workers before the first note comes: each loads its models for about a second."""
        for _worker in range(self._processes):
            self._shared.submit(self._worker)

    async def template(self, photo: bytes) -> bytes:
        try:
            made: bytes = await self._run("template_of", photo)
        except NoteCrashed:
            try:
                made = await self._run("template_of", photo)
            except NoteCrashed as error:
                raise PhotoUnusable(f"not to be read: {error}", PhotoFault.UNREADABLE) from error
        return made

    async def examine(
        self, note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()
    ) -> Examined:
        found: Examined = await self._run("examine", note, list(motions), template, list(others))
        return found

    async def check_challenge(self, note: bytes, motions: Sequence[Motion]) -> Examined:
        found: Examined = await self._run("check_challenge", note, list(motions))
        return found

    async def check_photo(self, photo: bytes) -> PhotoFault | None:
        """Return why an ID photo can't be used, or hardly."""
        try:
            fault: PhotoFault | None = await self._run("check_photo", photo)
        except NoteCrashed:
            return PhotoFault.UNREADABLE
        return fault

    async def _run(self, name: str, content: bytes, *arguments: Any) -> Any:
        """Run a function of ``examining`` in a worker; the first call starts the workers."""
        is_suspect = bool(self._suspects) and _digest(content) in self._suspects
        pool, ask = (self._apart, self._ask_apart) if is_suspect else (self._shared, self._ask)
        try:
            future = pool.submit(partial(ask, name, (content, *arguments)))
        except RuntimeError as error:
            raise FaceUnavailable("the face workers have ended") from error
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        try:
            return await asyncio.wrap_future(future)
        except WorkerDied as error:
            if not is_suspect and not self._closed:
                self._suspects.append(_digest(content))
            if self._closed:
                raise FaceUnavailable(str(error)) from error
            raise NoteCrashed(str(error)) from error

    def _ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return self._worker().ask(name, arguments, self.longest, self._cpu)

    def _ask_apart(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Ask a fresh worker, once it has shown that it can work without the note."""
        worker = self._new_worker(LAST)
        try:
            worker.ask("prepare", (), self.longest, self.longest)
        except WorkerDied as error:
            raise FaceUnavailable(str(error)) from error
        else:
            return worker.ask(name, arguments, self.longest, self._cpu_apart)
        finally:
            self._end_worker(worker)

    def _worker(self) -> Worker:
        """Return this thread's worker, a new one if the last one has died."""
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is not None and not worker.is_alive:
            self._end_worker(worker)
            worker = None
        self._own.worker = worker or self._new_worker()
        found: Worker = self._own.worker
        return found

    def _new_worker(self, nice: int = NICE) -> Worker:
        if self._closed:
            raise FaceUnavailable("the face workers have ended")
        try:
            worker = Worker(nice)
        except OSError as error:
            raise FaceUnavailable(f"no face worker ({type(error).__name__})") from error
        self._started.add(worker)
        if self._closed:  # meanwhile
            worker.kill()
        return worker

    def _end_worker(self, worker: Worker) -> None:
        worker.close()
        self._started.discard(worker)

    async def close(self) -> None:
        """End all workers; those that examine a note have ``END_WITHIN`` seconds."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._closed = True
        at_work = [future for future in list(self._waiting) if future.running()]
        if wait(at_work, END_WITHIN).not_done:
            log.warning("face workers are ended before they have finished")
        for worker in list(self._started):
            worker.kill()
        for pool in (self._shared, self._apart):
            pool.shutdown()
        for worker in list(self._started):
            self._end_worker(worker)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
