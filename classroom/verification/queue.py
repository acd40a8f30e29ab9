"""The queue of video notes: first come first served, it survives crashes and outages, with one outcome for each note.

The store is the queue: it holds the check-ins at CHECKING; this module keeps only their progress. A technical failure
is retried after a pause while others go on; it costs the student no try, and if it lasts the teacher decides. The
callbacks move the check-in to its next step and notify people.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from classroom.domain.face_policy import Examined, FaceVerdict, NoteRefusal, Problem, verdict
from classroom.domain.sessions import CheckIn, CheckInStep
from classroom.domain.video_notes import Unusable
from classroom.faces import NoteCrashed
from classroom.metrics import STEPS
from classroom.services import Classroom
from classroom.store import StoreError
from classroom.verification.failures import Failures
from classroom.verification.note_check import Check, NoteChecks, key_of
from core.health import PartHealth
from core.metrics import spread
from core.sqlite import DatabaseError
from core.tasks import is_wanted

log = logging.getLogger(__name__)

FRESH_WORKERS = 2  # that a note brings down, after another one, until it counts as a try

# Called with the outcome: the note was examined, or can't be checked. Called again after a StoreError or DatabaseError,
# and possibly for a check-in that has moved on meanwhile: the stored step decides.
OnExamined = Callable[[CheckIn, Examined, FaceVerdict], Awaitable[None]]
OnUnusable = Callable[[CheckIn, Unusable | NoteRefusal], Awaitable[None]]


@dataclass(eq=False)
class Verification:
    """Examines the notes of check-ins at CHECKING and reports each outcome."""

    _classroom: Classroom
    _checks: NoteChecks
    _on_examined: OnExamined
    _on_unusable: OnUnusable

    def __post_init__(self) -> None:
        self._settings = self._checks.settings
        self._queue: asyncio.PriorityQueue[tuple[object, Check]] = asyncio.PriorityQueue()
        self._known: dict[tuple[str, str, int], Check] = {}  # until the outcome is reported
        self._dropped: set[tuple[str, str, int]] = set()  # of cancelled sessions, or after a bug; not started again
        self._tasks: dict[asyncio.Task[None], Check | None] = {}
        self._scanning: asyncio.Task[None] | None = None
        self._is_closing = False
        self._metrics = self._classroom.metrics
        self._failures = Failures(self._metrics)
        self.verdicts: Counter[str] = Counter()  # since the start

    def start(self) -> None:
        """Start on the running loop with the notes in the store; returns at once."""
        self._scanning = asyncio.create_task(self._scan(), name="faces-scan")
        workers = self._settings.ahead + 2 * self._checks.at_once  # downloading; in the engine, and being reported
        self._tasks = {asyncio.create_task(self._work(), name="faces"): None for _ in range(workers)}

    def submit(self, check_in: CheckIn) -> int:
        """Add a check-in with a note; return its place in the queue, 1 for the first. Harmless if repeated."""
        if check_in.face is None:
            raise ValueError("a check-in without a note")
        check = Check(check_in, check_in.face, self._classroom.clock.monotonic(), self._settings.backoff())
        known = self._known.setdefault(check.key, check)
        if known is check:
            self._dropped.discard(check.key)
            self._queue.put_nowait((check.order, check))
        return 1 + sum(other.order < check.order for other in self._known.values())

    async def close(self, within: float = 5.0) -> None:
        """Start nothing new; wait ``within`` seconds for notes in the engine or being reported."""
        self._is_closing = True
        if self._scanning is None:
            return
        self._scanning.cancel()
        for task, check in self._tasks.items():
            if check is None or not (check.in_engine or check.outcome is not None):
                task.cancel()
        tasks = [self._scanning, *self._tasks]
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._known:
            log.info("faces: closed with %d notes in the queue, which the store keeps", len(self._known))

    async def report(self) -> PartHealth:
        metrics, now = self._metrics, self._classroom.clock.monotonic()
        in_engine = sum(check.in_engine for check in self._known.values())
        metrics.face_queue.set(len(self._known))
        metrics.face_in_engine.set(in_engine)
        metrics.face_oldest.set(max((now - check.submitted_at for check in self._known.values()), default=0.0))
        figures = {
            "queue": len(self._known),
            "in_engine": in_engine,
            "seconds": {step: took for step in STEPS if (took := spread(metrics.face_steps.labels(step)))},
            "verdicts": dict(self.verdicts),
            "errors": dict(self._failures.errors),
        }
        return PartHealth([], self._failures.degraded(), {"faces": figures})

    async def _scan(self) -> None:
        """Submit notes in the store that were not submitted: at the start, and regularly."""
        backoff = self._settings.backoff()
        while is_wanted():
            pause = self._settings.look_every
            try:
                found = await self._classroom.store.checking()
            except Exception as error:  # a bug must not leave notes unchecked until the next start
                is_bug = not isinstance(error, StoreError)
                log.warning("faces: %s; scanning the store again", error, exc_info=is_bug)
                pause = backoff.next()
            else:
                backoff.reset()
                self._dropped &= {key_of(each) for each in found}
                known = self._known.keys() | self._dropped
                new = [each for each in found if each.face is not None and key_of(each) not in known]
                if new:
                    log.info("faces: %d unfinished notes found in the store", len(new))
                for check_in in new:
                    self.submit(check_in)
            await asyncio.sleep(pause)

    def _put_later(self, check: Check) -> None:
        queued = check.order, check
        asyncio.get_running_loop().call_later(check.backoff.next(), self._queue.put_nowait, queued)

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # for the type checker
        while not self._is_closing:
            _, check = await self._queue.get()
            self._tasks[task] = check
            try:
                await self._run(check)
            except Exception:  # a bug of ours must not end the task
                log.exception("%s, the outcome could not be reported", check.label)
                if check.outcome is not Unusable.TECHNICAL:  # nobody may wait forever
                    check.outcome = Unusable.TECHNICAL
                    self._put_later(check)
                else:
                    self._known.pop(check.key, None)
                    self._dropped.add(check.key)
            finally:
                self._tasks[task] = None

    async def _run(self, check: Check) -> None:
        """Make one attempt at a check: report its outcome, or schedule the next attempt."""
        if check.outcome is None and self._checks.has_to_wait(check):
            self._put_later(check)
            return
        if check.outcome is None:
            try:
                if (outcome := await self._outcome(check)) is None:
                    log.info("%s, no longer needed: its note is dropped", check.label)
                    self._known.pop(check.key, None)
                    return
            except Exception as error:  # noqa: BLE001  # classified and logged there
                if (outcome := self._failures.outcome(check, error)) is None:
                    self._put_later(check)
                    return
            check.outcome = outcome
        began = self._classroom.clock.monotonic()
        try:
            if isinstance(check.outcome, tuple):
                await self._on_examined(check.check_in, *check.outcome)
            else:
                await self._on_unusable(check.check_in, check.outcome)
        except (StoreError, DatabaseError) as error:
            self._failures.count(check, error)
            log.warning("%s, reporting the outcome: %s; trying again", check.label, error)
            self._put_later(check)
            return
        check.seconds["decide"] = self._classroom.clock.monotonic() - began
        self._known.pop(check.key, None)
        self._log_check(check)

    async def _outcome(self, check: Check) -> tuple[Examined, FaceVerdict] | Unusable | NoteRefusal | None:
        """Return the outcome of the note's examination; None if it is no longer needed."""
        store = self._classroom.store
        session = await store.session(check.check_in.session)
        if session is None or session.cancelled:
            self._dropped.add(check.key)
            return None
        now = await store.check_in(check.check_in.session, check.check_in.student_id)
        if now is None or now.face is None or now.step is not CheckInStep.CHECKING or key_of(now) != check.key:
            return None
        consent = await store.consent(now.telegram_id)
        if consent is None or not consent.covers(self._classroom.consent_wording):
            return Unusable.NO_CONSENT
        try:
            examined = await self._checks.examine(check)
        except NoteCrashed as error:
            if check.crashes < FRESH_WORKERS:  # the first worker may have been at fault itself
                raise
            log.warning("%s, the note brought down %d workers: %s", check.label, check.crashes + 1, error)
            examined = Examined(Problem.CRASHED, details=str(error))
        self._failures.clear()
        settings = self._classroom.settings
        limits = settings.face_match_threshold, settings.face_verification_max_retries
        return examined, verdict(examined, now.face.failed, *limits)

    def _log_check(self, check: Check) -> None:
        now = self._classroom.clock.monotonic()
        waited = (check.started_at if check.started_at is not None else now) - check.submitted_at
        took = {"waited": waited, **check.seconds}
        for step, seconds in {**took, "all": now - check.submitted_at}.items():
            self._metrics.face_steps.labels(step).observe(seconds)
        if isinstance(check.outcome, tuple):
            examined, result = check.outcome
            parts = [result.value]
            parts += [examined.problem.value] if examined.problem is not None else []
            parts += [f"{examined.percent:.1f} %"] if examined.percent is not None else []
            parts[-1] += f" (distance {examined.distance:.3f})" if examined.distance is not None else ""
            parts += [examined.details] if examined.details else []
        else:
            parts = [str(check.outcome)]
        self.verdicts[parts[0]] += 1
        self._metrics.face_checks.labels(parts[0]).inc()
        durations = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in took.items())
        log.info("%s, face: %s, %s", check.label, ", ".join(parts), durations)
