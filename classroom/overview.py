"""The overview of a session from which the board, the lists and the reports are made."""

from dataclasses import dataclass, field
from functools import cached_property

from classroom.domain import code_attempts as codes
from classroom.domain import face_policy as faces
from classroom.domain import location_policy as policy
from classroom.domain.sessions import CheckIn, CheckInStep, Enrolled, Session, Sheet, Status
from classroom.services import Classroom
from telegram_app.i18n import Texts
from telegram_app.lines import bold, short


@dataclass
class SessionOverview:
    """A session with its sheets and check-ins, and the students sorted by status."""

    session: Session
    sheets: list[Sheet]
    check_ins: list[CheckIn]
    marked: dict[Status, list[str]] = field(default_factory=dict)  # names by status, without absent
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for sheet in self.sheets:
            for student in sheet.roster:
                status = sheet.status_of(student.student_id)
                names = self.missing if status is Status.ABSENT else self.marked.setdefault(status, [])
                names.append(student.name or student.student_id)

    @property
    def students(self) -> int:
        return sum(len(sheet.roster) for sheet in self.sheets)

    @property
    def roster(self) -> list[Enrolled]:
        """All students in a fixed order: buttons carry positions in it, and rosters don't change."""
        return [student for sheet in self.sheets for student in sheet.roster]

    @property
    def is_in_lms(self) -> bool:
        """Whether the LMS has confirmed the newest version of every sheet."""
        return all(sheet.acked_version >= sheet.version for sheet in self.sheets)

    def waiting(self, *steps: CheckInStep) -> list[CheckIn]:
        """Return the check-ins at one of these steps whose students have no mark."""
        marked = {student_id for sheet in self.sheets for student_id in sheet.marks}
        return [each for each in self.check_ins if each.step in steps and each.student_id not in marked]

    def name(self, student_id: str) -> str:
        """Return a student's name, or the ID where the roster has no name."""
        return self._names.get(student_id) or student_id

    @cached_property
    def _names(self) -> dict[str, str]:
        return {each.student_id: each.name for each in self.roster}


def title(session: Session) -> str:
    return f"{bold(short(session.subject, 200))}: {short(', '.join(session.batches), 600)}"


def refused_lines(_: Texts, overview: SessionOverview) -> list[str]:
    """Return which batches the LMS refuses, its reasons, and what to do; HTML."""
    lines = [
        _("The LMS does not take {batch}; it says: \u201c{why}\u201d").format(
            batch=short(sheet.batch, 200), why=short(sheet.refused, 200)
        )
        for sheet in overview.sheets
        if sheet.refused
    ]
    if lines:
        text = _("The marks are kept here. Speak to whoever runs the LMS, then press {button}.")
        lines.append(text.format(button=_("Try Again")))
    return lines


async def read_overview(classroom: Classroom, session: Session) -> SessionOverview:
    store = classroom.store
    return SessionOverview(session, await store.sheets(session.id), await store.check_ins(session.id))


def note_text(_: Texts, check_in: CheckIn) -> str:
    """Return why a check-in is not marked yet, or what is unusual about it."""
    distance = f" ({round(check_in.distance)} m)" if check_in.distance is not None else ""
    notes = {
        policy.JUST_OUTSIDE: _("just outside"),
        policy.TOO_FAR: _("too far away"),
        codes.MANY_TRIES: _("many wrong codes on this ID"),
        codes.MANY_IN_SESSION: _("many wrong codes in this session"),
        codes.CLAIMED_TWICE: _("claimed by two Telegram accounts"),
    }
    in_person = {
        faces.NO_FACE: _("without a face check"),
        faces.NO_PHOTO: _("no usable ID photo"),
        faces.TECHNICAL: _("the face could not be checked"),
    }
    if check_in.note == faces.FACE:
        return _("face not matched") if check_in.step is CheckInStep.REJECTED else _("the face match is unclear")
    if check_in.step is CheckInStep.REJECTED:
        return _("not accepted")
    if check_in.step is CheckInStep.CONFIRM and check_in.note in in_person:
        return in_person[check_in.note] + distance
    if check_in.step is CheckInStep.CONFIRM:
        return _("in place ({distance} m)").format(distance=round(check_in.distance or 0))
    if check_in.step is CheckInStep.FACE or (check_in.step is CheckInStep.EXPIRED and check_in.face is not None):
        return _("no video of the face")
    if check_in.step is CheckInStep.CHECKING:
        return _("being checked")
    return notes.get(check_in.note, _("no location yet")) + distance
