"""The overview of a session from which the board, the lists and the reports are made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from html import escape

from classroom.domain import code_attempts as codes
from classroom.domain import face_policy as faces
from classroom.domain import location_policy as policy
from classroom.domain.sessions import UNDECIDED, CheckIn, CheckInStep, Enrolled, Mark, Session, Sheet, Status, folded
from classroom.domain.sorting import name_key
from classroom.services import Classroom
from classroom.store import Store
from telegram_app.i18n import Texts
from telegram_app.lines import bold, short, shortened

AWAITED = "waiting for the teacher"  # instead of a status, in files
LONGEST_NAME, LONGEST_ID = 120, 64  # characters
SHORTEST_NAME = 24  # of a name on a button: students whose names begin alike are told apart by ID


class Group(Enum):
    """Where a student of a session is; every student is in exactly one group."""

    IN = "in"  # present or late
    BY_HAND = "by hand"  # excused or absent by the teacher's mark
    WAITING = "waiting"  # for the teacher's decision
    ON_THE_WAY = "on the way"  # a check-in was begun and can go on
    NOT_COMPLETED = "not completed"  # a check-in that ended, or stands outside, without a mark
    NOT_HERE = "not here"


_GROUPS = {
    CheckInStep.PLACE: Group.ON_THE_WAY,
    CheckInStep.FACE: Group.ON_THE_WAY,
    CheckInStep.CHECKING: Group.ON_THE_WAY,
    CheckInStep.REVIEW: Group.WAITING,
    CheckInStep.CONFIRM: Group.WAITING,
}


@dataclass
class SessionOverview:
    """A session with its sheets and check-ins, and the students sorted by status; one on two batches counts once."""

    session: Session
    sheets: list[Sheet]
    check_ins: list[CheckIn]
    has_lms: bool = True  # False: CSV files
    checks_faces: bool = False
    marked: dict[Status, list[str]] = field(default_factory=dict)  # names by status, without absent
    missing: list[str] = field(default_factory=list)
    awaited: list[str] = field(default_factory=list)  # neither marked nor missing: they wait for the teacher

    def __post_init__(self) -> None:
        self.sheets = sorted(self.sheets, key=lambda sheet: name_key(sheet.batch))
        for student in self.people.values():
            status = self.status(student.student_id)
            unmarked = self.awaited if self.waits(student.student_id) else self.missing
            names = unmarked if status is Status.ABSENT else self.marked.setdefault(status, [])
            names.append(self.name(student.student_id))

    @property
    def students(self) -> int:
        return len(self.people)

    @property
    def roster(self) -> list[Enrolled]:
        """The lines of all rosters in a fixed order: buttons carry positions in it, and rosters don't change."""
        return [student for sheet in self.sheets for student in sheet.roster]

    @cached_property
    def people(self) -> dict[int, Enrolled]:
        """Each student once, by the first position in ``roster``."""
        first: dict[str, int] = {}
        roster = self.roster
        for at, student in enumerate(roster):
            first.setdefault(folded(student.student_id), at)
        return {at: roster[at] for at in first.values()}

    @cached_property
    def marks(self) -> dict[str, Mark]:
        """The students' marks, by folded ID."""
        return {folded(each): mark for sheet in reversed(self.sheets) for each, mark in sheet.marks.items()}

    def status(self, student_id: str) -> Status:
        mark = self.marks.get(folded(student_id))
        return mark.status if mark is not None else Status.ABSENT

    def came_at(self, student_id: str) -> datetime | None:
        """Return when a student sent the right code, whatever came of it; None: never, or it is not known."""
        mark, check_in = self.marks.get(folded(student_id)), self.check_in_of(student_id)
        if mark is not None and mark.came_at is not None:
            return mark.came_at
        if check_in is not None:
            return check_in.code_at
        return mark.at if mark is not None and mark.by == 0 else None

    def check_in_of(self, student_id: str) -> CheckIn | None:
        return self._check_ins.get(folded(student_id))

    @cached_property
    def _check_ins(self) -> dict[str, CheckIn]:
        return {folded(each.student_id): each for each in self.check_ins}

    def waits(self, student_id: str) -> bool:
        """Whether a student has no mark yet, but a check-in on which the teacher has to decide."""
        check_in = None if folded(student_id) in self.marks else self.check_in_of(student_id)
        return check_in is not None and (bool(check_in.rivals) or _GROUPS.get(check_in.step) is Group.WAITING)

    @property
    def is_recorded(self) -> bool:
        """Whether the LMS, or a file, has the newest version of every sheet that is sent."""
        return all(sheet.acked_version >= sheet.version for sheet in self.sheets if sheet.is_for_lms)

    def waiting(self, *steps: CheckInStep) -> list[CheckIn]:
        """Return the check-ins at one of these steps whose students have no mark; with rivals they are in review."""
        unmarked = [each for each in self.check_ins if each.rivals or folded(each.student_id) not in self.marks]
        return [each for each in unmarked if (CheckInStep.REVIEW if each.rivals else each.step) in steps]

    @cached_property
    def clear(self) -> list[CheckIn]:
        """The check-ins that are confirmed all at once: with a face engine those whose face was checked."""
        return [each for each in self.waiting(CheckInStep.CONFIRM) if not self.checks_faces or each.note == faces.CLEAR]

    @cached_property
    def unchecked(self) -> list[CheckIn]:
        """The check-ins without a checked face that are confirmed by name: a neutral group, whatever the cause."""
        return [each for each in self.waiting(CheckInStep.CONFIRM) if each not in self.clear]

    def groups(self) -> dict[Group, list[str]]:
        """Return the student IDs in each group, in the roster's order."""
        found: dict[Group, list[str]] = {group: [] for group in Group}
        for student in self.people.values():
            key = folded(student.student_id)
            check_in, mark = self._check_ins.get(key), self.marks.get(key)
            if mark is not None:
                group = Group.IN if mark.status.counts else Group.BY_HAND
            elif check_in is None:
                group = Group.NOT_HERE
            elif check_in.rivals:
                group = Group.WAITING
            else:
                is_outside = check_in.step is CheckInStep.PLACE and check_in.distance is not None
                group = Group.NOT_COMPLETED if is_outside else _GROUPS.get(check_in.step, Group.NOT_COMPLETED)
            found[group].append(student.student_id)
        return found

    def name(self, student_id: str, longest: int = LONGEST_NAME, *, with_id: bool = False) -> str:
        """Return a student's name, "Name (ID)" where another student's looks the same; not escaped."""
        name, shown_id = self._names.get(folded(student_id), ""), student_id[:LONGEST_ID]
        shown = name if len(name) <= longest else name[: longest - 1] + "\u2026"
        is_alone = self._beginnings[folded(name[:SHORTEST_NAME])] == 1
        return (shown if is_alone and not with_id else f"{shown} ({shown_id})") if shown else shown_id

    @cached_property
    def _names(self) -> dict[str, str]:
        return {folded(each.student_id): " ".join(each.name.split()) for each in self.people.values()}

    @cached_property
    def _beginnings(self) -> Counter[str]:
        return Counter(folded(each[:SHORTEST_NAME]) for each in self._names.values())


def lesson_name(session: Session, longest: int = 300) -> str:
    """Return a lesson's subject, shortened, and its own name where its day has several: not escaped."""
    subject = shortened(session.subject, longest)
    return f"{subject} ({session.lesson})" if session.lesson else subject


def subject_of(session: Session, longest: int = 300) -> str:
    """Return ``lesson_name``, escaped."""
    return escape(lesson_name(session, longest))


def title(session: Session, longest: int = 600) -> str:
    return f"{bold(subject_of(session, min(longest, 200)))}: {short(', '.join(session.batches), longest)}"


def session_label(session: Session, when: str) -> str:
    """Return a button's label for a session: its time or day, lesson and batches."""
    return f"{when} {lesson_name(session, 20)}: {', '.join(session.batches)}"[:60]


def day_of(session: Session) -> str:
    return datetime.fromisoformat(session.date).strftime("%d.%m.%Y")


async def read_overview(classroom: Classroom, session: Session) -> SessionOverview:
    store = classroom.store
    sheets, check_ins = await store.sheets(session.id), await store.check_ins(session.id)
    return SessionOverview(session, sheets, check_ins, classroom.has_lms, classroom.checks_faces)


async def stored_overviews(store: Store, found: Sequence[tuple[Session, list[Sheet]]]) -> list[SessionOverview]:
    """Return overviews of lessons for reports about many, in their order: with check-ins where some may still wait."""
    return [
        SessionOverview(session, sheets, await store.check_ins(session.id) if session.final_at is None else [])
        for session, sheets in found
    ]


def note_text(_: Texts, check_in: CheckIn) -> str:
    """Return why a check-in is not marked yet, or what is unusual about it; about faces nothing that could shame."""
    if check_in.rivals:
        return _("several Telegram accounts sent this ID")
    distance = f" ({round(check_in.distance)} m)" if check_in.distance is not None else ""
    notes = {
        policy.JUST_OUTSIDE: _("just outside"),
        policy.TOO_FAR: _("too far away"),
        policy.NO_PLACE: _("no place to compare with"),
        policy.UNCERTAIN: _("place uncertain"),
        policy.IMPRECISE: _("no precise location"),
        codes.MANY_TRIES: _("many wrong codes on this ID"),
        codes.MANY_IN_SESSION: _("many wrong codes in this session"),
        codes.CLAIMED_TWICE: _("several Telegram accounts sent this ID"),
    }
    if check_in.step is CheckInStep.REJECTED:
        return _("not confirmed") if check_in.note == UNDECIDED else _("not accepted")
    if faces.is_reviewed(check_in.note):
        return _("the face match is unclear")
    if check_in.step is CheckInStep.CONFIRM and faces.is_of_check(check_in.note):
        return (_("clearly this student") if check_in.note == faces.CLEAR else _("without a face check")) + distance
    if check_in.step is CheckInStep.CONFIRM:
        return _("in place ({distance} m)").format(distance=round(check_in.distance or 0))
    if check_in.step is CheckInStep.FACE or (check_in.step is CheckInStep.EXPIRED and check_in.face is not None):
        return _("no video of the face")
    if check_in.step is CheckInStep.CHECKING:
        return _("being checked")
    return notes.get(check_in.note, _("no location yet")) + distance
