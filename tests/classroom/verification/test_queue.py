"""The queue of video notes over the real store: whose turn it is, what is repeated, what a crash or a close leaves."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.domain.face_policy import Examined, Motion, NoteRefusal, Problem, Verdict
from classroom.domain.sessions import Binding, CheckIn, Consent, Enrolled, FaceCheck, Place, Session, Sheet, Step
from classroom.domain.video_notes import Download, NoteGone, NoteUnavailable, Unusable
from classroom.faces import FaceRefused, FaceUnavailable, PhotoUnusable
from classroom.faces.person_keys import PersonKeyGone, PersonKeys
from classroom.photos import IdPhoto, PhotoMissing, PhotosRefused, PhotosUnavailable, PhotoTooLarge
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from classroom.store.sqlite import SqliteStore
from classroom.verification.note_check import Limits
from classroom.verification.queue import Pace, Verification
from core.clock import SystemClock
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


OPENED = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
MATCH = Examined(distance=0.318, percent=84.1, seconds={"decode": 0.05, "detect": 0.1})
QUICK = Pace(first_pause=0.001, longest_pause=0.01)
STRICT = replace(QUICK, limits=Limits(ahead=1))  # one after the other, for what is about the order


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something has come to be."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.002)


class Gate:
    """Where a test holds things up. It is open at first."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = 0
        self.came = 0
        self.cancelled = 0

    def shut(self) -> None:
        """Let nobody through."""
        self._open.clear()

    def open(self) -> None:
        """Let all through."""
        self._open.set()

    def let_by(self) -> None:
        """Let those through who wait now."""
        self._open.set()
        self._open.clear()

    async def through(self) -> None:
        """Wait until it is open."""
        self.waiting += 1
        self.came += 1
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1


class Troubles:
    """What fails, by name: the errors of the next calls, the last one for ever where it says so."""

    def __init__(self) -> None:
        self._next: dict[str, list[Exception]] = {}
        self._always: dict[str, Exception] = {}
        self.calls: Counter[str] = Counter()

    def fail(self, name: str, error: Exception, times: int | None = None) -> None:
        """Let the next calls of a name fail, or all."""
        if times is None:
            self._always[name] = error
        else:
            self._next[name] = [error] * times

    def call(self, name: str) -> None:
        """Count a call, and fail where that is wanted."""
        self.calls[name] += 1
        if self._next.get(name):
            raise self._next[name].pop()
        if name in self._always:
            raise self._always[name]


class FakePhotos(Troubles):
    """ID photos: each student's own name as a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.version = "1"

    async def tag(self, student_id: str) -> str:
        """Return a tag."""
        self.call(student_id)
        return self.version

    async def photo(self, student_id: str) -> IdPhoto:
        """Return a picture."""
        return IdPhoto(f"photo of {student_id}".encode(), self.version)

    async def close(self) -> None:
        """Do nothing."""


class FakeEngine(Troubles):
    """Makes templates of photos, and finds in notes what a test has put there."""

    keeps_templates = True

    def __init__(self) -> None:
        super().__init__()
        self.name = "fake"
        self.gate, self.template_gate = Gate(), Gate()
        self.found: dict[bytes, Examined] = {}
        self.seen: list[tuple[bytes, tuple[Motion, ...], bytes]] = []
        self.made: list[bytes] = []

    async def template(self, photo: bytes) -> bytes:
        """Make a template."""
        self.made.append(photo)
        self.call(photo.decode())
        await self.template_gate.through()
        return b"template of " + photo

    async def examine(self, note: bytes, motions: Sequence[Motion], template: bytes) -> Examined:
        """Examine a note."""
        self.seen.append((note, tuple(motions), template))
        await self.gate.through()
        self.call(note.decode())
        return self.found.get(note, MATCH)

    async def close(self) -> None:
        """Do nothing."""


class FakeNotes(Troubles):
    """Telegram's files: each holds its own name, unless a test says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, bytes] = {}
        self.slow: dict[str, Gate] = {}

    async def __call__(self, file: str) -> bytes:
        """Load a file."""
        self.call(file)
        if file in self.slow:
            await self.slow[file].through()
        return self.content.get(file, file.encode())


class SomeFailures(SqliteStore):
    """The store, where the next calls of one method fail, as on a full disk."""

    fails = ""
    times = 0
    looks = 0

    async def checking(self) -> list[CheckIn]:
        """Count how often somebody looks."""
        self.looks += 1
        return await super().checking()

    def __getattribute__(self, name: str) -> Any:
        if name not in ("fails", "times") and name == self.fails and self.times:
            self.times -= 1
            raise StoreUnavailable("full")
        return super().__getattribute__(name)


class Scene:
    """A session of many students, and what was said of their notes."""

    def __init__(self, room: Classroom, store: SomeFailures, folder: Path) -> None:
        self.room, self.store = room, store
        self.photos, self.engine, self.notes = FakePhotos(), FakeEngine(), FakeNotes()
        self.keys = PersonKeys(folder / "secrets" / "faces", Cipher(KEY))
        self.told: list[tuple[str, str]] = []  # students, with a verdict or a reason
        self.telling, self.telling_gate = Troubles(), Gate()
        self.session: Session
        self._all: list[Verification] = []

    async def opens(self) -> None:
        """Open the session."""
        session = Session(
            "0" * 12,
            7,
            "Main",
            "Algebra",
            ("CS-1",),
            "2026-09-01",
            Place(43.25, 76.95),
            OPENED,
            OPENED + timedelta(seconds=120),
            0,
        )
        roster = tuple(Enrolled(f"S{each:03}", f"Student {each}", "CS-1") for each in range(1, 100))
        sheet = Sheet(session.id, "Main", "CS-1", session.subject, session.date, 7, roster)
        assert await self.store.create_session(session, [sheet], "482913", session.closes_at)
        self.session = session

    def verification(self, pace: Pace = QUICK, at_once: int = 2, download: Download | None = None) -> Verification:
        """Make a queue; at the end it is closed."""
        made = Verification(
            self.room,
            self.photos,
            self.engine,
            self.keys,
            download or self.notes,
            self._decided,
            self._unusable,
            at_once=at_once,
            pace=pace,
        )
        self._all.append(made)
        return made

    async def close(self) -> None:
        """Close all queues."""
        for each in self._all:
            await each.close(0)

    async def sends(self, number: int, *, failed: int = 0, message: int = 0, at: float | None = None) -> CheckIn:
        """Bring a student to the queue, by default in the order of the numbers."""
        student_id = f"S{number:03}"
        face = FaceCheck(
            ("left", "up"),
            OPENED,
            failed=failed,
            file=f"note {number}" + (f".{message}" if message else ""),
            message=message or 1000 + number,
            sent_at=OPENED + timedelta(seconds=number if at is None else at),
        )
        check_in = CheckIn(self.session.id, student_id, 2000 + number, Step.CHECKING, OPENED, face=face)
        await self.store.set_consent(Consent(check_in.telegram_id, given=True, at=OPENED))
        if await self.store.begin_check_in(check_in) != check_in:
            assert await self.store.move_check_in(check_in, {Step.FACE, Step.DONE, Step.CONFIRM})
        return check_in

    async def _decided(self, check_in: CheckIn, examined: Examined, verdict: Verdict) -> None:
        self.telling.call(check_in.student_id)
        step = {Verdict.MATCH: Step.DONE, Verdict.RETRY: Step.FACE}.get(verdict, Step.REVIEW)
        await self._tell(check_in, step, verdict.value)

    async def _unusable(self, check_in: CheckIn, reason: Unusable | NoteRefusal) -> None:
        self.telling.call(check_in.student_id)
        await self._tell(check_in, Step.CONFIRM, reason.value)

    async def _tell(self, check_in: CheckIn, step: Step, word: str) -> None:
        if await self.store.move_check_in(replace(check_in, step=step), {Step.CHECKING}):
            self.told.append((check_in.student_id, word))
            await self.telling_gate.through()

    async def hears(self, *expected: tuple[str, str]) -> None:
        """Wait until so many were told, and see that it was this, whatever the order."""
        await eventually(lambda: len(self.told) >= len(expected))
        assert sorted(self.told) == sorted(expected)


def matches(*numbers: int) -> list[tuple[str, str]]:
    """Return what is told of students whose face matches."""
    return [(f"S{number:03}", "match") for number in numbers]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Give an open session."""
    store = SomeFailures(tmp_path / "store.sqlite3", Cipher(KEY))
    await store.open()
    settings = Settings(_env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN))  # type: ignore[call-arg]  # its own
    side = cast("Side", None)
    nothing = cast("Any", None)
    room = Classroom(settings, SystemClock(), store, nothing, side, side, nothing, lambda below: below - 1)
    scene = Scene(room, store, tmp_path)
    await scene.opens()
    yield scene
    await scene.close()
    await store.close()


class TestTurns:
    async def test_order(self, scene: Scene) -> None:
        """Who came first is first, whatever the order they are handed in; each hears the place at once."""
        queue = scene.verification(STRICT, at_once=1)
        places = [queue.submit(await scene.sends(number)) for number in (3, 5, 1, 2, 4)]
        assert places == [1, 2, 1, 2, 4]
        queue.start()
        await eventually(lambda: len(scene.told) == 5)
        assert scene.told == matches(1, 2, 3, 4, 5)
        assert queue.submit(await scene.sends(6)) == 1

    async def test_what_the_engine_gets(self, scene: Scene) -> None:
        """The engine gets the note, the challenge in its order, and the template of that student's photo."""
        queue = scene.verification()
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(*matches(1))
        assert scene.engine.seen == [(b"note 1", (Motion.LEFT, Motion.UP), b"template of photo of S001")]

    async def test_eight_ahead(self, scene: Scene) -> None:
        """However many wait, at most eight notes are loaded that the engine does not have yet."""
        most = 0

        def ahead() -> int:
            return scene.notes.calls.total() - len(scene.engine.made)  # the first that the engine does for a note

        class Watched(FakeNotes):
            async def __call__(self, file: str) -> bytes:
                nonlocal most
                content = await scene.notes(file)
                most = max(most, ahead())
                return content

        queue = scene.verification(download=Watched())
        scene.engine.gate.shut()
        for number in range(1, 31):
            queue.submit(await scene.sends(number))
        queue.start()
        await eventually(lambda: scene.engine.gate.waiting == 2 and ahead() == 8)
        scene.engine.gate.open()
        await scene.hears(*matches(*range(1, 31)))
        assert most == 8

    async def test_slow_notes(self, scene: Scene) -> None:
        """Notes that load slowly, as many as may be ahead, hold nobody else up, and are judged when they are there."""
        queue = scene.verification(replace(QUICK, limits=Limits(slow_after=0.01)))
        slow = Gate()
        slow.shut()
        scene.notes.slow = {f"note {number}": slow for number in range(1, 9)}
        for number in range(1, 13):
            queue.submit(await scene.sends(number))
        queue.start()
        await scene.hears(*matches(*range(9, 13)))
        assert slow.waiting == 8
        slow.open()
        await scene.hears(*matches(*range(1, 13)))

    async def test_too_slow(self, scene: Scene) -> None:
        """A note that does not come is asked for again, and then a new try loads it."""
        limits = Limits(slow_after=0.005, download=0.02)
        queue = scene.verification(replace(QUICK, limits=limits))
        hangs = Gate()
        hangs.shut()
        scene.notes.slow = {"note 1": hangs}
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: hangs.cancelled >= 2)
        scene.notes.slow = {}
        await scene.hears(*matches(1))

    async def test_tasks(self, scene: Scene) -> None:
        """Tasks come with the queue, a hundred at most, and go when there is nothing to do; two stay."""
        queue = scene.verification(replace(QUICK, idle=0.02, most=20))
        scene.engine.gate.shut()
        queue.start()

        async def tasks() -> int:
            return int((await queue.report()).counts["faces"]["tasks"])

        assert await tasks() == 2
        for number in range(1, 31):
            queue.submit(await scene.sends(number))
        assert await tasks() == 20
        scene.engine.gate.open()
        await scene.hears(*matches(*range(1, 31)))
        async with asyncio.timeout(30):
            while await tasks() != 2:  # noqa: ASYNC110  # tasks end by themselves
                await asyncio.sleep(0.002)
        queue.submit(await scene.sends(31))
        await scene.hears(*matches(*range(1, 32)))

    async def test_twice(self, scene: Scene) -> None:
        """A note that is handed in twice is judged once, and the second time hears the same place."""
        queue = scene.verification()
        first, second = await scene.sends(1), await scene.sends(2)
        assert [queue.submit(each) for each in (first, second, second, first)] == [1, 2, 2, 1]
        queue.start()
        await scene.hears(*matches(1, 2))
        assert scene.notes.calls == {"note 1": 1, "note 2": 1}


class TestOverAnEnd:
    async def test_crash(self, scene: Scene) -> None:
        """After a crash all that had no outcome is done again by itself, in order, and nobody hears twice."""
        first = scene.verification(at_once=1)
        first.start()
        first.submit(await scene.sends(1))
        await scene.hears(*matches(1))
        scene.engine.gate.shut()
        for number in range(2, 6):
            first.submit(await scene.sends(number))
        await eventually(lambda: scene.engine.gate.waiting == 1 and scene.notes.calls.total() == 5)
        await first.close(0)
        scene.engine.gate.open()
        scene.engine.seen.clear()
        second = scene.verification(STRICT, at_once=1)
        second.start()
        await scene.hears(*matches(1, 2, 3, 4, 5))
        assert [note for note, _, _ in scene.engine.seen] == [b"note 2", b"note 3", b"note 4", b"note 5"]

    async def test_close(self, scene: Scene) -> None:
        """Closing waits for what the engine has and tells of it; the rest stays in the store, and no task is left."""
        before = asyncio.all_tasks()
        queue = scene.verification(at_once=2)
        scene.engine.gate.shut()
        queue.start()
        for number in range(1, 21):
            queue.submit(await scene.sends(number))
        await eventually(lambda: scene.engine.gate.waiting == 2)
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0)
        assert queue.submit(await scene.sends(21)) == 21
        scene.engine.gate.open()
        await closing
        assert len(scene.told) == 2
        assert len(await scene.store.checking()) == 19
        assert len(scene.engine.seen) == 2
        assert asyncio.all_tasks() == before

    async def test_close_in_time(self, scene: Scene) -> None:
        """Closing does not wait longer than it may for an engine that does not come to an end."""
        queue = scene.verification()
        scene.engine.gate.shut()
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: scene.engine.gate.waiting == 1)
        async with asyncio.timeout(10):
            await queue.close(0.01)
        assert scene.engine.gate.cancelled == 1
        assert scene.told == []
        assert len(await scene.store.checking()) == 1

    async def test_store_away_at_the_start(self, scene: Scene) -> None:
        """A store that fails at the start is asked again."""
        await scene.sends(1)
        scene.store.fails, scene.store.times = "checking", 3
        scene.verification().start()
        await scene.hears(*matches(1))

    async def test_not_handed_in(self, scene: Scene) -> None:
        """A note that got into the store and was not handed in is found by looking."""
        queue = scene.verification(replace(QUICK, look_every=0.01))
        queue.start()
        await scene.sends(1)
        await scene.hears(*matches(1))


class TestTroubles:
    async def test_note_unavailable(self, scene: Scene) -> None:
        """Where Telegram fails for a while it is asked again, while others go on; it costs no try."""
        queue = scene.verification()
        scene.notes.fail("note 1", NoteUnavailable("time out"), times=5)
        scene.engine.found[b"note 1"] = replace(MATCH, problem=Problem.NOT_FOLLOWED)
        queue.start()
        for number in (1, 2, 3):
            queue.submit(await scene.sends(number))
        await scene.hears(("S001", "retry"), *matches(2, 3))
        assert scene.told[-1] == ("S001", "retry")
        assert scene.notes.calls["note 1"] == 6

    @pytest.mark.parametrize("who", ["notes", "photos"])
    async def test_without_end(self, scene: Scene, who: str) -> None:
        """What does not work again and again is the teacher's in the end; others are judged meanwhile."""
        queue = scene.verification()
        if who == "notes":
            scene.notes.fail("note 1", NoteUnavailable("time out"))
        else:
            scene.photos.fail("S001", PhotosUnavailable("time out"))
        queue.start()
        for number in (1, 2):
            queue.submit(await scene.sends(number))
        await scene.hears(("S001", "technical"), *matches(2))
        assert (scene.notes.calls["note 1"] if who == "notes" else scene.photos.calls["S001"]) == 8
        report = (await queue.report()).counts["faces"]
        assert report["errors"] == {"NoteUnavailable" if who == "notes" else "PhotosUnavailable": 8}

    async def test_poisoned(self, scene: Scene) -> None:
        """A note that ends the engine's worker each time is tried three times, and takes nobody's turn."""
        queue = scene.verification()
        scene.engine.fail("note 1", FaceUnavailable("the worker died"))
        queue.start()
        for number in range(1, 10):
            queue.submit(await scene.sends(number))
        await scene.hears(("S001", "technical"), *matches(*range(2, 10)))
        assert scene.engine.calls["note 1"] == 3

    async def test_engine_away(self, scene: Scene) -> None:
        """While the engine fails for everybody, nobody's note is given up as soon as one that fails alone."""
        queue = scene.verification(at_once=5)
        scene.engine.gate.shut()
        for number in range(1, 6):
            scene.engine.fail(f"note {number}", FaceUnavailable("no connection"), times=5)
            queue.submit(await scene.sends(number))
        queue.start()
        for number in range(1, 6):
            await eventually(lambda number=number: scene.engine.gate.came == 5 * number)  # type: ignore[misc]
            scene.engine.gate.let_by()
        await eventually(lambda: scene.engine.gate.came == 30)
        assert (await queue.report()).degraded == ["the face engine does not answer: see the log"]
        scene.engine.gate.open()
        await scene.hears(*matches(1, 2, 3, 4, 5))
        assert not (await queue.report()).degraded

    async def test_worker_died_once(self, scene: Scene) -> None:
        """A worker's death costs the one check that it had another round, and no try."""
        queue = scene.verification()
        scene.engine.fail("note 1", FaceUnavailable("the worker died"), times=1)
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(*matches(1))
        assert scene.engine.calls["note 1"] == 2

    @pytest.mark.parametrize(
        ("where", "error", "reason"),
        [
            ("photos", PhotoMissing("none"), Unusable.NO_PHOTO),
            ("photos", PhotoTooLarge("6 MB"), Unusable.PHOTO),
            ("photos", PhotosRefused("denied"), Unusable.TECHNICAL),
            ("template", PhotoUnusable("two faces"), Unusable.PHOTO),
            ("engine", PhotoUnusable("no face"), Unusable.PHOTO),
            ("engine", FaceRefused("denied"), Unusable.TECHNICAL),
            ("notes", NoteGone("no such file"), Unusable.NOTE),
        ],
    )
    async def test_for_good(self, scene: Scene, where: str, error: Exception, reason: Unusable) -> None:
        """What repeating does not mend is told at once, each as what it is; an operator's part stands in the health."""
        queue = scene.verification()
        troubles: Troubles = {"photos": scene.photos, "notes": scene.notes}.get(where, scene.engine)
        name = {"photos": "S001", "template": "photo of S001"}.get(where, "note 1")
        troubles.fail(name, error)
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(("S001", reason.value))
        assert troubles.calls[name] == 1
        is_an_operators = isinstance(error, FaceRefused | PhotosRefused)
        assert bool((await queue.report()).degraded) == is_an_operators
        queue.submit(await scene.sends(2))
        await scene.hears(("S001", reason.value), *matches(2))
        assert not (await queue.report()).degraded

    async def test_both_fail(self, scene: Scene) -> None:
        """Where note and photo both fail for good the photo's failure is told: a new note would not help."""
        queue = scene.verification()
        scene.photos.fail("S001", PhotoMissing("none"))
        scene.notes.fail("note 1", NoteGone("no such file"))
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(("S001", "no photo"))

    @pytest.mark.parametrize("method", ["session", "check_in", "template", "claim_note", "save_template"])
    async def test_store_away(self, scene: Scene, method: str) -> None:
        """However long the store fails, in whichever step, the note gets its outcome after it."""
        queue = scene.verification()
        check_in = await scene.sends(1)
        scene.store.fails, scene.store.times = method, 12
        queue.start()
        queue.submit(check_in)
        await scene.hears(*matches(1))

    async def test_not_told(self, scene: Scene) -> None:
        """An outcome that could not be written is told again, without another examination."""
        queue = scene.verification()
        scene.telling.fail("S001", StoreUnavailable("full"), times=4)
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(*matches(1))
        assert len(scene.engine.seen) == 1

    async def test_bug_in_a_check(self, scene: Scene) -> None:
        """What nobody has foreseen is tried three times, then the teacher's; the others are judged."""
        queue = scene.verification()
        scene.engine.fail("note 1", ZeroDivisionError("ours"))
        queue.start()
        for number in (1, 2, 3):
            queue.submit(await scene.sends(number))
        await scene.hears(("S001", "technical"), *matches(2, 3))
        assert scene.engine.calls["note 1"] == 3

    async def test_bug_in_telling_a_verdict(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """Where telling a verdict fails by a bug of ours the teacher decides, and nobody waits for ever."""
        queue = scene.verification()
        scene.telling.fail("S001", ZeroDivisionError("ours"), times=1)
        queue.start()
        for number in (1, 2):
            queue.submit(await scene.sends(number))
        await scene.hears(("S001", "technical"), *matches(2))
        assert "S001, what became of the note could not be told" in caplog.text

    async def test_no_consent_to_this_engine(self, scene: Scene) -> None:
        """A note whose sender has agreed to another wording, or to none any more, is not even loaded."""
        queue = scene.verification()
        for number, consent in ((1, Consent(2001, True, OPENED, wording=2)), (2, Consent(2002, False, OPENED))):
            await scene.sends(number)
            await scene.store.set_consent(consent)
        queue.start()
        await scene.hears(("S001", "no consent"), ("S002", "no consent"))
        assert (scene.notes.calls, scene.engine.made, scene.engine.seen) == ({}, [], [])

    async def test_bug_in_the_telling(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """Where all telling fails by a bug of ours it is logged and left for the next start; no task ends of it."""
        queue = scene.verification(replace(QUICK, look_every=0.01))
        scene.telling.fail("S001", ZeroDivisionError("ours"), times=2)
        scene.telling.fail("S002", ZeroDivisionError("ours"), times=2)
        queue.start()
        for number in range(1, 8):
            queue.submit(await scene.sends(number))
        await scene.hears(*matches(*range(3, 8)))
        await eventually(lambda: caplog.text.count("what became of the note could not be told") == 4)
        assert "S001, what became of the note could not be told" in caplog.text
        assert [each.student_id for each in await scene.store.checking()] == ["S001", "S002"]
        await queue.close()
        scene.verification().start()
        await scene.hears(*matches(*range(1, 8)))


class TestReplay:
    async def test_repeated_recording(self, scene: Scene) -> None:
        """The same recording from another student, or from the same one for a new challenge, is told as repeated."""
        queue = scene.verification(STRICT)
        scene.notes.content = {"note 2": b"note 1", "note 1.77": b"note 1"}
        queue.start()
        queue.submit(await scene.sends(1, failed=1))
        await scene.hears(*matches(1))
        queue.submit(await scene.sends(2))
        queue.submit(await scene.sends(1, message=77))
        await scene.hears(*matches(1), ("S002", "repeated"), ("S001", "repeated"))
        assert len(scene.engine.seen) == 1

    async def test_at_once(self, scene: Scene) -> None:
        """Of many who send one recording at the same time one is judged."""
        queue = scene.verification()
        scene.notes.content = {f"note {number}": b"the same" for number in range(1, 7)}
        for number in range(1, 7):
            queue.submit(await scene.sends(number))
        queue.start()
        await eventually(lambda: len(scene.told) == 6)
        assert Counter(word for _, word in scene.told) == {"match": 1, "repeated": 5}


class TestTemplates:
    async def test_made_once(self, scene: Scene) -> None:
        """A template is made for the first note, sealed, and used for the next one."""
        queue = scene.verification()
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(*matches(1))
        kept = await scene.store.template("S001")
        assert kept is not None
        assert b"photo of" not in kept.sealed
        queue.submit(await scene.sends(1, message=77))
        await scene.hears(*matches(1, 1))
        assert scene.engine.made == [b"photo of S001"]
        assert [template for _, _, template in scene.engine.seen] == [b"template of photo of S001"] * 2

    @pytest.mark.parametrize("what", ["photo", "engine", "key"])
    async def test_made_anew(self, scene: Scene, what: str) -> None:
        """A new photo, another engine, or a key that is gone: the template is made anew, and kept."""
        queue = scene.verification()
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(*matches(1))
        match what:
            case "photo":
                scene.photos.version = "2"
            case "engine":
                scene.engine.name = "another"
            case _:
                scene.keys.forget("S001")
        for message in (77, 78):
            queue.submit(await scene.sends(1, message=message))
            await eventually(lambda message=message: len(scene.told) == message - 75)  # type: ignore[misc]
        assert len(scene.engine.made) == 2
        assert {word for _, word in scene.told} == {"match"}

    async def test_not_kept(self, scene: Scene) -> None:
        """Of an engine that compares with the photo itself nothing is kept."""
        queue = scene.verification()
        scene.engine.keeps_templates = False
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.hears(*matches(1))
        assert await scene.store.template("S001") is None

    async def test_forgotten_meanwhile(self, scene: Scene) -> None:
        """Who has their data deleted while the template is being made leaves nothing that can be opened."""
        queue = scene.verification()
        scene.engine.template_gate.shut()
        await scene.store.bind(Binding(2001, "S001", OPENED))
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: scene.engine.template_gate.waiting == 1)
        await scene.store.forget_student(2001)
        scene.keys.forget("S001")
        scene.engine.template_gate.open()
        await eventually(lambda: scene.telling.calls.total() == 1)
        kept = await scene.store.template("S001")
        assert kept is not None
        with pytest.raises(PersonKeyGone):
            scene.keys.open("S001", kept.sealed)
        assert scene.told == []


class TestOutcomes:
    @pytest.mark.parametrize(
        ("examined", "failed", "word"),
        [
            (replace(MATCH, percent=70.0), 0, "match"),
            (replace(MATCH, percent=69.0), 0, "grey"),
            (replace(MATCH, percent=40.0), 0, "retry"),
            (replace(MATCH, percent=40.0), 1, "failed"),
            (Examined(problem=Problem.FLAT), 0, "retry"),
            (Examined(problem=Problem.BROKEN), 1, "failed"),
        ],
    )
    async def test_verdict(self, scene: Scene, examined: Examined, failed: int, word: str) -> None:
        """The verdict goes by the settings and by the tries that counted before."""
        queue = scene.verification()
        scene.engine.found[b"note 1"] = examined
        queue.start()
        queue.submit(await scene.sends(1, failed=failed))
        await scene.hears(("S001", word))

    async def test_marked_by_hand(self, scene: Scene) -> None:
        """A check-in that has gone on while its note waited is left alone, and its note not loaded."""
        queue = scene.verification()
        check_in = await scene.sends(1)
        await scene.store.move_check_in(replace(check_in, step=Step.DONE), {Step.CHECKING})
        queue.submit(check_in)
        queue.submit(await scene.sends(2))
        queue.start()
        await scene.hears(*matches(2))
        await eventually(lambda: scene.notes.calls == {"note 2": 1})

    async def test_cancelled(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """The notes of a cancelled session are dropped, also after the next start; nobody hears of them."""
        caplog.set_level(logging.INFO)
        for number in (1, 2):
            await scene.sends(number)
        await scene.store.end_session(scene.session.id, OPENED, cancelled=True)
        queue = scene.verification(replace(QUICK, look_every=0.005))
        queue.start()
        await eventually(lambda: caplog.text.count("its note is dropped") == 2)
        looks = scene.store.looks
        await eventually(lambda: scene.store.looks >= looks + 2)
        await queue.close()
        assert caplog.text.count("its note is dropped") == 2
        assert scene.told == []
        assert scene.notes.calls.total() == 0

    async def test_second_try_at_once(self, scene: Scene) -> None:
        """A second note that comes while the first one's outcome is still being told is judged as well."""
        queue = scene.verification()
        scene.engine.found[b"note 1"] = replace(MATCH, percent=10.0)
        scene.telling_gate.shut()
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: scene.telling_gate.waiting == 1)
        queue.submit(await scene.sends(1, failed=1, message=77))
        await scene.hears(("S001", "retry"), ("S001", "match"))


class TestFigures:
    async def test_log_and_health(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """Each check is one line with both numbers and its times; the health report has spreads and counts."""
        caplog.set_level(logging.INFO)
        queue = scene.verification()
        scene.engine.found[b"note 2"] = Examined(problem=Problem.NO_FACE, seconds={"decode": 0.15})
        queue.start()
        for number in (1, 2):
            queue.submit(await scene.sends(number))
        await eventually(lambda: queue.metrics.verdicts.total() == 2)
        lines = [record.getMessage() for record in caplog.records if " face: " in record.getMessage()]
        start = f"session {scene.session.id}: student S001, face: match, 84.1 % (distance 0.318), waited "
        (line,) = (line for line in lines if "S001" in line)
        assert line.startswith(start)
        for step in ("photo", "download", "turn", "template", "decode 0.05 s", "detect 0.10 s", "decide"):
            assert f", {step}" in line
        assert any("S002, face: retry, no face, waited" in line for line in lines)
        assert "note 1" not in caplog.text  # Telegram's name for a file is what it takes to load it
        faces = (await queue.report()).counts["faces"]
        assert faces["verdicts"] == {"match": 1, "retry": 1}
        assert faces["seconds"]["decode"] == {"median": 0.1, "p95": 0.15}
        assert (faces["queue"], faces["in_engine"], faces["tasks"]) == (0, 0, 2)
        assert faces["errors"] == {}
