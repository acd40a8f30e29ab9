"""Several lessons of a batch and subject on one day as one record of the LMS: the union of their sheets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from classroom.domain.sessions import Enrolled, Mark, ReadBack, Session, Sheet, Status, folded

Lesson = tuple[Sheet, Session]

_BEST_FIRST = list(Status)  # present, late, excused, absent


@dataclass(frozen=True)
class SharedRecord(Sheet):
    """The union of several sheets: present or late in any of them, otherwise excused in any, else absent.

    ``parts`` are the sheets that are confirmed with it. Its versions are sums of theirs: they are equal exactly when
    all of them are confirmed.
    """

    parts: tuple[Sheet, ...] = ()


def parts_of(record: Sheet) -> tuple[Sheet, ...]:
    """Return the sheets that a record is made of: of a lesson with its own record the sheet itself."""
    return record.parts if isinstance(record, SharedRecord) else (record,)


def is_sent(lesson: Lesson) -> bool:
    """Whether the LMS gets a sheet, or has it: not if the teacher chose so, if nobody has come yet, if cancelled.

    Of a lesson without phones it gets nothing before the end: until then the teacher is filling in a list.
    """
    sheet, session = lesson
    if not sheet.is_for_lms or (session.cancelled and not sheet.in_lms):
        return False
    is_begun = not session.without_phones and (sheet.version > 0 or sheet.acked_version >= 0)
    return session.ended_at is not None or is_begun


def of_one_record(sheet: Sheet, lessons: Iterable[Lesson]) -> list[Lesson]:
    """Return those of the other lessons of a batch, subject and day that have the same record as a sheet."""
    return [each for each in lessons if each[0].lms_kind == sheet.lms_kind and is_sent(each)]


def record_of_day(lessons: Iterable[Lesson]) -> tuple[Sheet, list[Session]]:
    """Return the record of lessons that are all sent, and the sessions whose marks are in it.

    A cancelled lesson's marks leave the record, unless there is no other. A sheet that the LMS refuses is not confirmed
    by what is written of others; it is once the record is written for a newer sheet.
    """
    known = sorted(lessons, key=lambda each: (each[1].opened_at, each[1].id))
    counted = [each for each in known if not each[1].cancelled]
    if not counted:
        counted = [max(known, key=lambda each: each[1].ended_at or each[1].opened_at)]
    owed = [sheet for sheet, _session in known if sheet.acked_version < sheet.version]
    parts = [sheet for sheet, _session in known]
    if owed and all(sheet.refused for sheet in owed):
        parts = [sheet for sheet in parts if sheet not in owed]
    sheets, sessions = [sheet for sheet, _session in counted], [session for _sheet, session in counted]
    return (sheets[0] if sheets == parts and len(parts) == 1 else _union(sheets, parts)), sessions


def _union(sheets: Sequence[Sheet], parts: Sequence[Sheet]) -> SharedRecord:
    roster: dict[str, Enrolled] = {}
    marks: dict[str, Mark] = {}
    for student in (student for sheet in sheets for student in sheet.roster):
        roster.setdefault(folded(student.student_id), student)
    for mark in (mark for sheet in sheets for mark in sheet.marks.values()):
        student_id = roster[folded(mark.student_id)].student_id
        there = marks.get(student_id)
        if there is None or _BEST_FIRST.index(mark.status) < _BEST_FIRST.index(there.status):
            marks[student_id] = replace(mark, student_id=student_id)
    fields = {
        name: getattr(sheets[0], name)
        for name in ("session", "campus", "batch", "subject", "date", "teacher", "lms_kind")
    }
    version = sum(part.version + 1 for part in parts) - 1
    return SharedRecord(
        **fields,
        roster=tuple(roster.values()),
        marks=marks,
        version=version,
        acked_version=sum(part.acked_version + 1 for part in parts) - 1,
        in_lms=any(part.in_lms for part in parts),
        read_back=_read_back(roster, parts, version),
        parts=tuple(parts),
    )


def _read_back(roster: dict[str, Enrolled], parts: Sequence[Sheet], version: int) -> ReadBack | None:
    """Return the parts' comparisons with the LMS's record as one, of no version unless all were compared."""
    found = [part.read_back for part in parts if part.read_back is not None]
    if not found:
        return None
    newest = max(found, key=lambda each: each.at)
    differs = {folded(student_id): its for each in found for student_id, its in each.differs.items()}
    theirs = {student.student_id: differs[key] for key, student in roster.items() if key in differs}
    is_newest = all(part.compared is not None for part in parts)
    return replace(newest, version=version if is_newest else -2, differs=theirs)


def confirmed(record: Sheet, read_back: ReadBack | None) -> Sheet:
    """Return a record that the LMS has, with its parts; ``read_back`` is a new comparison with the LMS's own.

    What differs is told with the lessons that decide on the student's status in the record.
    """
    parts = []
    differs = {folded(student_id): its for student_id, its in read_back.differs.items()} if read_back else {}
    whole = {folded(each.student_id): record.status_of(each.student_id).counts for each in record.roster}
    for part in parts_of(record):
        own = part.read_back
        if read_back is not None:
            theirs = {
                each.student_id: differs[key]
                for each in part.roster
                if (key := folded(each.student_id)) in differs and part.status_of(each.student_id).counts == whole[key]
            }
            own = replace(read_back, version=part.version, differs=theirs)
        parts.append(replace(part, acked_version=part.version, in_lms=True, refused="", read_back=own))
    if not isinstance(record, SharedRecord):
        return parts[0]
    own = read_back or record.read_back
    return replace(record, acked_version=record.version, in_lms=True, read_back=own, parts=tuple(parts))
