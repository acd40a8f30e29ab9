"""Check-ins to sessions of one batch with the real store, without and with a face check."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from classroom.check_in.answers import Answer, AnswerKind
from classroom.check_in.check_ins import CheckIns
from classroom.check_in.face_results import FaceResults
from classroom.check_in.face_steps import FaceSteps
from classroom.domain import location_policy as policy
from classroom.domain.face_policy import Note
from classroom.domain.sessions import CheckIn, CheckInStep, Enrolled, FaceCheck, Mark, Place, Session, Sheet
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from classroom.store.sqlite import SqliteStore
from tests.classroom.running import METRE

OPENED = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
CODE, WRONG = "482913", "111111"
TEACHER, STUDENT = 7, 2001


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return OPENED + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the monotonic time."""
        return self.seconds


class FailingStore(SqliteStore):
    """A store in which the next call of one method fails, as on a full disk."""

    fails = ""

    def __getattribute__(self, name: str) -> Any:
        if name != "fails" and name == self.fails:
            self.fails = ""
            raise StoreUnavailable("full")
        return super().__getattribute__(name)


class CheckInScenario:
    """Check-ins to sessions of one batch, and the notified marks."""

    def __init__(self, classroom: Classroom, store: FailingStore, clock: SetClock) -> None:
        self.classroom, self.clock, self.store = classroom, clock, store
        self.refused: set[str] = set()  # students whose faces the roster of the first batch does not allow
        self.notified: list[tuple[str, Mark]] = []
        self.check_ins = CheckIns(classroom, self._on_mark)

    async def _on_mark(self, session: Session, student_id: str, mark: Mark) -> None:
        self.notified.append((student_id, mark))

    async def opens(self, number: int = 1, *, code: str = CODE, students: int = 3, ids: Sequence[str] = ()) -> Session:
        """Open a session; all sessions have the same students, or those with these IDs."""
        return await self._opens(number, code, {"CS-1": ids or _ids(range(1, students + 1))})

    async def opens_two(self, students: int, shared: int) -> Session:
        """Open a session of two batches of equal size; the last students of the first are the first of the second."""
        first = (students + shared) // 2
        second = _ids(range(first - shared + 1, students + 1))
        return await self._opens(1, CODE, {"CS-1": _ids(range(1, first + 1)), "CS-2": second})

    async def opens_batches(self, batches: dict[str, Sequence[str]]) -> Session:
        """Open a session of batches with these IDs."""
        return await self._opens(1, CODE, batches)

    async def _opens(self, number: int, code: str, batches: dict[str, Sequence[str]]) -> Session:
        session = Session(
            id=f"{number:012}",
            teacher=TEACHER,
            campus="Main",
            subject=f"Subject {number}",
            batches=tuple(batches),
            date="2026-09-01",
            place=Place(43.25, 76.95),
            opened_at=self.clock.now(),
            closes_at=self.clock.now() + timedelta(seconds=120),
            rotate_seconds=0,
        )
        sheets = []
        for batch, ids in batches.items():
            refused = self.refused if batch == "CS-1" else set()
            roster = tuple(Enrolled(each, f"Student {each}", batch, face_allowed=each not in refused) for each in ids)
            sheets.append(Sheet(session.id, "Main", batch, session.subject, session.date, TEACHER, roster))
        assert await self.store.create_session(session, sheets, code, session.closes_at)
        return session

    async def enters(self, student_id: str | None = "S001", code: str = CODE, person: int = STUDENT) -> AnswerKind:
        """Enter an ID and a code; Telegram delivers the question at once."""
        return (await self.delivered(await self.check_ins.enter(person, student_id, code))).kind

    async def delivered(self, answer: Answer, waited: float = 0.0) -> Answer:
        """Have Telegram deliver the answer, which asks the next question."""
        if answer.check_in is not None:
            key = (answer.check_in.session, answer.check_in.student_id, answer.check_in.step)
            await self.store.set_asked(*key, self.clock.now(), waited)
        return answer

    async def shares(self, metres: float = 0.0, person: int = STUDENT, **more: Any) -> Answer:
        """Share a location so many metres from the class."""
        evidence = policy.Evidence(43.25 + metres * METRE, 76.95, None, self.clock.now())
        return await self.delivered(await self.check_ins.place(person, replace(evidence, **more)))

    async def marks(self, session: Session) -> dict[str, Mark]:
        """Return the stored marks."""
        return (await self.store.sheets(session.id))[0].marks

    async def step(self, session: Session, student_id: str = "S001") -> CheckInStep | None:
        """Return the step of a check-in."""
        found = await self.store.check_in(session.id, student_id)
        return found.step if found is not None else None


class FaceScenario(CheckInScenario):
    """Check-ins with a face check."""

    def __init__(self, classroom: Classroom, store: FailingStore, clock: SetClock) -> None:
        super().__init__(classroom, store, clock)
        self.steps = FaceSteps(classroom, self.check_ins)
        self.results = FaceResults(classroom, self.check_ins, decides=True)
        self._notes = 0

    async def comes(self) -> Session:
        """Open a session, enter the code and share the place; consent is asked."""
        session = await self.opens()
        await self.enters()
        assert (await self.shares()).kind is AnswerKind.CONSENT
        return session

    async def comes_again(self) -> Session:
        """Open another session, and be asked for consent there."""
        session = await self.opens(2, code="555555")
        await self.enters(code="555555")
        assert (await self.shares()).kind is AnswerKind.CONSENT
        return session

    def compares_class(self) -> None:
        """Set FACE_COMPARE_CLASS."""
        self.classroom.settings = self.classroom.settings.model_copy(update={"face_compare_class": True})

    async def agrees(self, session: Session) -> Answer:
        """Agree to the face check."""
        return await self.delivered(await self.steps.agree(STUDENT, session.id))

    async def sends(self, message: int = 100, **changes: Any) -> Answer:
        """Send a unique note, now."""
        self._notes += 1
        note = Note("video note", self.clock.now(), f"file {self._notes}", f"unique {self._notes}", 5, 400_000)
        return await self.steps.note(STUDENT, replace(note, **changes), message)

    async def found(self, session: Session) -> CheckIn:
        """Return the check-in."""
        check_in = await self.store.check_in(session.id, "S001")
        assert check_in is not None
        return check_in

    async def face(self, session: Session) -> FaceCheck:
        """Return its face check."""
        face = (await self.found(session)).face
        assert face is not None
        return face


def _ids(numbers: range) -> list[str]:
    return [f"S{each:03}" for each in numbers]
