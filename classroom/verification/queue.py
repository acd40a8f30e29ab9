"""The queue of video notes: first come first served, over crashes and outages, and never two words on one note.

The store is the queue: a check-in that is at CHECKING is in it. What is here is only how far each one is. A technical
failure is repeated after a pause, in which others go on; it costs the student no try, and when it does not end the
teacher decides. What is said to people, and each check-in's next step, is for those who hear of the outcome.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from classroom.domain.face_policy import Examined, NoteRefusal, Verdict, verdict, wording
from classroom.domain.sessions import CheckIn, Step
from classroom.domain.video_notes import Download, NoteGone, NoteUnavailable, Unusable
from classroom.error_codes import Code, noted
from classroom.faces import FaceEngine, FaceRefused, FaceUnavailable, PhotoUnusable
from classroom.faces.person_keys import PersonKeys
from classroom.photos import PhotoMissing, Photos, PhotosRefused, PhotosUnavailable, PhotoTooLarge
from classroom.services import Classroom
from classroom.store import StoreError
from classroom.verification.metrics import Metrics, in_words
from classroom.verification.note_check import Check, Limits, NoteChecks, Repeated
from core.backoff import Backoff
from core.health import PartHealth
from core.sqlite import DatabaseError

log = logging.getLogger(__name__)

# Hear of a note's examination, and of a note that can't be judged. May be called again where it raises StoreError or
# DatabaseError, and for a check-in that has gone on meanwhile: the store decides.
Decided = Callable[[CheckIn, Examined, Verdict], Awaitable[None]]
Undecided = Callable[[CheckIn, Unusable | NoteRefusal], Awaitable[None]]

# How often each kind of failure is repeated for one check. The store's have no end: without it nothing can be handed
# to the teacher either.
TRIES: dict[type[Exception], int] = {FaceUnavailable: 3, NoteUnavailable: 8, PhotosUnavailable: 8}
TRIES_OF_A_BUG = 3
# Where the engine fails for so many and has judged nobody in between, it is the engine and not the notes.
ENGINE_AWAY_FOR = 3
TRIES_WITHOUT_ENGINE = 8
FOR_GOOD: dict[type[Exception], Unusable | NoteRefusal] = {
    PhotoMissing: Unusable.NO_PHOTO,
    PhotoTooLarge: Unusable.PHOTO,
    PhotoUnusable: Unusable.PHOTO,
    NoteGone: Unusable.NOTE,
    FaceRefused: Unusable.TECHNICAL,
    PhotosRefused: Unusable.TECHNICAL,
    Repeated: NoteRefusal.REPEATED,
}


@dataclass(frozen=True)
class Pace:
    """How many tasks there are, and how long things wait, in seconds."""

    fewest: int = 2
    most: int = 100
    idle: float = 10.0  # until a task beyond the fewest ends
    first_pause: float = 1.0  # after a failure, doubled with each further one
    longest_pause: float = 30.0
    look_every: float = 60.0  # at the store, for what was not handed in
    limits: Limits = field(default_factory=Limits)

    def backoff(self) -> Backoff:
        """Return the pauses after failures in a row."""
        return Backoff(self.first_pause, self.longest_pause)


class Verification:
    """Takes check-ins at CHECKING, and says what became of each note."""

    def __init__(
        self,
        room: Classroom,
        photos: Photos,
        engine: FaceEngine,
        keys: PersonKeys,
        download: Download,
        decided: Decided,
        unusable: Undecided,
        *,
        at_once: int = 2,
        pace: Pace = Pace(),  # frozen
    ) -> None:
        """Take what the checks need, and who hears of them; the engine gets ``at_once`` notes at a time."""
        self._room = room
        self._decided = decided
        self._unusable = unusable
        self._pace = pace
        self._checks = NoteChecks(room, photos, engine, keys, download, at_once, pace.limits)
        self._queue: asyncio.PriorityQueue[tuple[object, Check]] = asyncio.PriorityQueue()
        self._known: dict[tuple[str, str, int], Check] = {}  # until there is an outcome that was heard of
        self._let_go: set[tuple[str, str, int]] = set()  # of a cancelled session, or a bug's; not begun again
        self._pauses: dict[tuple[str, str, int], asyncio.TimerHandle] = {}
        self._tasks: dict[asyncio.Task[None], Check | None] = {}
        self._looking: asyncio.Task[None] | None = None
        self._refused: dict[type[Exception], str] = {}
        self._no_engine_for: set[tuple[str, str, int]] = set()  # since it last judged a note
        self._is_closing = False
        self.metrics = Metrics()

    def start(self) -> None:
        """Begin with what the store has, on the running loop; returns at once."""
        self._looking = asyncio.create_task(self._look(), name="faces-look")
        for _ in range(min(max(self._pace.fewest, self._queue.qsize()), self._pace.most)):
            self._add_task()

    def submit(self, check_in: CheckIn) -> int:
        """Take a check-in whose note is to be judged; return its place in the queue, 1 for the first.

        Harmless twice. While closing it is not begun: the store has it for the next start.
        """
        if check_in.face is None:
            raise ValueError("a check-in without a note")
        check = Check(check_in, check_in.face, self._room.clock.monotonic(), self._pace.backoff())
        known = self._known.setdefault(check.key, check)
        if known is check:
            self._let_go.discard(check.key)
            self._put(check)
        return 1 + sum(other.order < check.order for other in self._known.values())

    async def close(self, within: float = 5.0) -> None:
        """Begin nothing new; give what is in the engine, or being told, so many seconds. The store keeps the rest."""
        self._is_closing = True
        for pause in self._pauses.values():
            pause.cancel()
        self._pauses.clear()
        tasks = set(self._tasks)
        if self._looking is not None:
            self._looking.cancel()
            tasks.add(self._looking)
        for task, check in self._tasks.items():
            if check is None or not (check.in_engine or check.outcome is not None):
                task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._known:
            log.info("faces: closed with %d notes in the queue, which the store keeps", len(self._known))

    async def report(self) -> PartHealth:
        """Return the queue's part of /healthz."""
        counts = {
            "queue": len(self._known),
            "in_engine": sum(check.in_engine for check in self._known.values()),
            "tasks": len(self._tasks),
            **self.metrics.report(),
        }
        degraded = list(self._refused.values())
        degraded += ["the face engine does not answer"] if self._is_engine_away() else []
        return PartHealth([], [f"{what}: see the log" for what in degraded], {"faces": counts})

    def _is_engine_away(self) -> bool:
        return len(self._no_engine_for) >= ENGINE_AWAY_FOR

    # the queue

    async def _look(self) -> None:
        """Take what the store has in the queue and nobody has handed in: at the start, and now and then."""
        backoff = self._pace.backoff()
        while True:
            pause = self._pace.look_every
            try:
                found = await self._room.store.checking()
            except StoreError as error:
                log.warning("faces: %s; looking for notes again", error)
                pause = backoff.next()
            else:
                backoff.reset()
                self._let_go &= {_key(each) for each in found}
                new = [each for each in found if each.face is not None and not self._has(_key(each))]
                if new:
                    log.info("faces: %d notes in the queue that were not finished", len(new))
                for check_in in new:
                    self.submit(check_in)
            await asyncio.sleep(pause)

    def _has(self, key: tuple[str, str, int]) -> bool:
        return key in self._known or key in self._let_go

    def _put(self, check: Check) -> None:
        """Put a check into the queue, and see that there is a task for it."""
        self._pauses.pop(check.key, None)
        if self._is_closing:
            return
        self._queue.put_nowait((check.order, check))
        idle = sum(each is None for each in self._tasks.values())
        if self._looking is not None and self._queue.qsize() > idle and len(self._tasks) < self._pace.most:
            self._add_task()

    def _put_later(self, check: Check) -> None:
        if self._is_closing:
            return
        self._pauses[check.key] = asyncio.get_running_loop().call_later(check.backoff.next(), self._put, check)

    def _add_task(self) -> None:
        task = asyncio.create_task(self._work(), name="faces")
        self._tasks[task] = None
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))

    async def _work(self) -> None:
        """Do one check after the other, until there has been none for a while and there are others to wait."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # for the type: this is one
        while not self._is_closing:
            try:
                async with asyncio.timeout(self._pace.idle):
                    _, check = await self._queue.get()
            except TimeoutError:
                if len(self._tasks) > self._pace.fewest:
                    self._tasks.pop(task)  # at once: the next that leaves counts without this one
                    return
                continue
            self._tasks[task] = check
            try:
                await self._do(check)
            except Exception:  # a bug of ours must not end the task that others wait for
                log.exception("%s, what became of the note could not be told", check.label)
                if check.outcome is not Unusable.TECHNICAL:  # nobody is to wait for ever
                    check.outcome = Unusable.TECHNICAL
                    self._put_later(check)
                else:
                    self._end(check)
                    self._let_go.add(check.key)
            finally:
                self._tasks[task] = None

    def _end(self, check: Check) -> None:
        self._known.pop(check.key, None)

    # one check

    async def _do(self, check: Check) -> None:
        """Bring a check one try further: to its outcome, and that to who hears of it, or to the next try."""
        if check.outcome is None:
            try:
                check.outcome = await self._outcome(check)
            except Exception as error:  # noqa: BLE001  # each kind is told apart and logged there
                check.outcome = self._failed(check, error)
                if check.outcome is None:
                    self._put_later(check)
                    return
            else:
                if check.outcome is None:
                    log.info("%s, is not waited for any more: its note is dropped", check.label)
                    self._end(check)
                    return
        began = self._room.clock.monotonic()
        try:
            if isinstance(check.outcome, tuple):
                await self._decided(check.check_in, *check.outcome)
            else:
                await self._unusable(check.check_in, check.outcome)
        except (StoreError, DatabaseError) as error:
            self._count(check, error)
            log.warning("%s, what became of the note: %s; trying again", check.label, error)
            self._put_later(check)
            return
        check.seconds["decide"] = self._room.clock.monotonic() - began
        self._end(check)
        self._note_down(check)

    async def _outcome(self, check: Check) -> tuple[Examined, Verdict] | Unusable | None:
        """Return what the note's examination comes to; None where it is not waited for any more."""
        store = self._room.store
        session = await store.session(check.check_in.session)
        if session is None or session.cancelled:
            self._let_go.add(check.key)
            return None
        now = await store.check_in(check.check_in.session, check.check_in.student_id)
        if now is None or now.step is not Step.CHECKING or now.face is None or now.face.message != check.face.message:
            return None
        consent = await store.consent(now.telegram_id)
        if consent is None or not consent.given or consent.wording != wording(self._room.settings.face_engine):
            return Unusable.NO_CONSENT
        examined = await self._checks.examine(check)
        self._refused.clear()
        self._no_engine_for.clear()
        settings = self._room.settings
        limits = settings.face_match_threshold, settings.face_verification_max_retries
        return examined, verdict(examined, now.face.failed, *limits, settings.face_engine)

    def _failed(self, check: Check, error: Exception) -> Unusable | NoteRefusal | None:
        """Say what becomes of a check that can't be done; None: it is tried again after a pause."""
        kind = self._count(check, error)
        if kind is FaceUnavailable:
            self._no_engine_for.add(check.key)
        if isinstance(error, FaceRefused | PhotosRefused):
            what = "the face engine" if isinstance(error, FaceRefused) else "the source of the ID photos"
            self._refused[kind] = f"{what} does not let us in, or is set up wrongly"
            log.error("%s (%s)", self._refused[kind], error)
        if (outcome := FOR_GOOD.get(kind)) is not None:
            if outcome is not NoteRefusal.REPEATED:
                log.info("%s, the note can't be judged: %s", check.label, error)
            return outcome
        if isinstance(error, StoreError):
            log.warning("%s, %s; trying again", check.label, error)
            return None
        if kind not in TRIES:
            log.error("%s, checking the face failed", check.label, exc_info=error)
        tries = TRIES.get(kind, TRIES_OF_A_BUG)
        if kind is FaceUnavailable and self._is_engine_away():
            tries = TRIES_WITHOUT_ENGINE
        if check.failures[kind.__name__] < tries:
            if kind in TRIES:
                log.warning("%s, %s: %s; trying again", check.label, kind.__name__, error)
            return None
        text = f"{check.label}, given up after {check.failures[kind.__name__]} tries: {error}"
        noted(log, Code.PROCESSING, text, logging.WARNING)
        return Unusable.TECHNICAL

    def _count(self, check: Check, error: Exception) -> type[Exception]:
        """Count a failure; return its kind."""
        kinds = (*TRIES, *FOR_GOOD, StoreError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), type(error))
        check.failures[kind.__name__] += 1
        self.metrics.errors[kind.__name__] += 1
        return kind

    def _note_down(self, check: Check) -> None:
        """Write the one line of a check, and count it."""
        now = self._room.clock.monotonic()
        waited = (check.began if check.began is not None else now) - check.came
        took = {"waited": waited, **check.seconds}
        self.metrics.measured({**took, "all": now - check.came})
        if isinstance(check.outcome, tuple):
            examined, word = check.outcome
            said = [word.value]
            said += [examined.problem.value] if examined.problem is not None else []
            said += [f"{examined.percent:.1f} %"] if examined.percent is not None else []
            said[-1] += f" (distance {examined.distance:.3f})" if examined.distance is not None else ""
            said += [examined.details] if examined.details else []
            outcome = ", ".join(said)
            self.metrics.verdicts[word.value] += 1
        else:
            outcome = str(check.outcome)
            self.metrics.verdicts[outcome] += 1
        log.info("%s, face: %s, %s", check.label, outcome, in_words(took))


def _key(check_in: CheckIn) -> tuple[str, str, int]:
    return (check_in.session, check_in.student_id, check_in.face.message if check_in.face is not None else 0)


__all__ = ["Pace", "Unusable", "Verification"]
