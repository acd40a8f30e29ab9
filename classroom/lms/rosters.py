"""Rosters and the list of teachers of all files together: which batches a mistake concerns. No I/O.

A mistake in a line makes its batch unusable until it is corrected, and no other: a record always holds the whole
batch. What can be understood is only warned about.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from classroom.domain.sessions import Course, Enrolled, folded
from classroom.domain.sorting import name_key
from classroom.lms.roster_lines import TEACHERS, RosterFile, is_list_of_teachers
from classroom.lms.tables import FileWrong, Problem, Row, names_of, oddity, phone_digits
from classroom.lms.tables import deferred as _

_COPY = re.compile(r"(?i)^(copy of|копия) |( \(\d+\)|[ -]+(copy|копия|көшірме)( \(?\d+\)?)?)$")

Place = tuple[str, int, Enrolled]  # file, line, and the student there


@dataclass
class Rosters:
    """All rosters and teachers of a folder. ``broken``: by batch key, why the batch can't be used."""

    students: dict[Course, list[Enrolled]] = field(default_factory=dict)
    courses_by_batch: dict[str, list[Course]] = field(default_factory=dict)  # by batch key
    broken: dict[str, Problem] = field(default_factory=dict)
    mistakes: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    teachers: dict[str, Row | Problem] = field(default_factory=dict)  # by the digits of the phone number
    no_teachers: Problem | None = None  # why the list of teachers can't be read
    unread: list[Problem] = field(default_factory=list)  # the files that can't be read, whatever batches they have

    def teacher(self, phone: str) -> Row | None:
        """Return a teacher's line. Raises FileWrong."""
        listed = self.teachers.get(phone_digits(phone), self.no_teachers)
        if isinstance(listed, Problem):
            raise FileWrong(listed)
        return listed

    def courses(self, teacher: Row) -> list[Course]:
        """Return a teacher's courses in order. Raises FileWrong where there are none because of a mistake."""
        keys = dict.fromkeys(map(batch_key, self.batches(teacher))) or self.courses_by_batch
        found = [course for key in keys for course in self.courses_by_batch.get(key, [])]
        why = [self.broken[key] for key in keys if key in self.broken] + self.unread
        if not found and why:
            raise FileWrong(why[0])
        return found

    def roster(self, course: Course) -> list[Enrolled]:
        """Return the students of a course. Raises FileWrong."""
        unread = self.unread[:1] if course not in self.students else []
        if problem := self.broken.get(batch_key(course.batch), *unread):
            raise FileWrong(problem)
        return self.students.get(course, [])

    def batches(self, teacher: Row) -> list[str]:
        """Return a teacher's batches (none: all); commas divide them too, where the whole is on no roster."""
        found = [[batch] if self.knows(batch) else re.split("[,;/]", batch) for batch in teacher.several("batch")]
        return [batch for parts in found for part in parts if (batch := part.strip())]

    def knows(self, batch: str) -> bool:
        return batch_key(batch) in self.courses_by_batch or batch_key(batch) in self.broken


def places(rosters: Rosters) -> dict[tuple[Course, str], Enrolled]:
    return {(course, folded(each.student_id)): each for course, roster in rosters.students.items() for each in roster}


def batch_key(batch: str) -> str:
    """Return what spellings of one batch have in common: CS-101, cs 101, CS–101."""
    return re.sub(r"[\s_‐-―−-]+", "-", batch.casefold()).strip("-")


def combine(files: Mapping[str, RosterFile]) -> Rosters:
    """Put all files together, and find what is wrong between lines and files."""
    rosters = Rosters(unread=[file.unread for file in files.values() if file.unread is not None])
    first: dict[Course, dict[str, Place]] = defaultdict(dict)  # by folded ID: where it stands
    spelled: dict[str, tuple[str, str]] = {}  # by folded ID: how it is written, and where
    by_file: dict[str, dict[Course, set[str]]] = defaultdict(lambda: defaultdict(set))
    mistakes = [each for file in files.values() for each in file.mistakes]
    warnings = [each for file in files.values() for each in file.warnings]
    what = _("the version before its last change is in use")
    warnings += [Problem(name, 0, what) for name, file in files.items() if file.is_old]
    for name, file in files.items():
        for digits, teacher in file.teachers.items():
            rosters.teachers.setdefault(digits, teacher)
        for line, subjects, student in file.entries:
            key, known = folded(student.student_id), len(mistakes)
            for course in (Course(student.batch, subject) for subject in subjects):
                by_file[name][course].add(key)
                there = first[course].setdefault(key, (name, line, student))
                if there[2] is student:
                    continue
                other, same = there[2].student_id, _merged(there[2], student)
                where = {"id": student.student_id, "other": other, "where": f"{there[0]}:{there[1]}"}
                if same is not None:
                    first[course][key] = (there[0], there[1], same)
                    what = _("student ID {id} is already in this batch ({where}): counted once")
                    warnings.append(Problem(name, line, what, where))
                    continue
                what = _("student ID {id} is already in this batch with other data ({where})")
                if student.student_id.casefold() != other.casefold():
                    what = _("student ID {id} can't be told apart from {other} ({where}); it has {odd}")
                    differs = names_of(sorted({*student.student_id} ^ {*other}))
                    where["odd"] = oddity(student.student_id) or oddity(other) or differs
                mistakes.append((student.batch, Problem(name, line, what, where)))
            other, there_too = spelled.setdefault(key, (student.student_id, f"{name}:{line}"))
            if other.casefold() != student.student_id.casefold() and len(mistakes) == known:
                what = _("student ID {id} is taken for {other} ({where}): write it in one way")
                where = {"id": student.student_id, "other": other, "where": there_too}
                warnings.append(Problem(name, line, what, where))
    mistakes += _copies(by_file)
    for course in sorted(first, key=lambda course: (name_key(course.batch), name_key(course.subject))):
        students = first[course]
        rosters.students[course] = [student for _name, _line, student in students.values()]
        rosters.courses_by_batch.setdefault(batch_key(course.batch), []).append(course)
        warnings += _lost_zeros(course, students.values())
    for batch, problem in mistakes:
        if batch:
            rosters.broken.setdefault(batch_key(batch), problem)
    warnings += [*_spellings(first), *_unknown_batches(rosters)]
    lists = [file for name, file in files.items() if is_list_of_teachers(name)]
    wrong = [file.unread for file in lists if file.unread is not None]
    wrong += [problem for file in lists for _batch, problem in file.mistakes]
    if not lists:
        wrong = [Problem(f"{TEACHERS}.csv", 0, _("the file is missing"))]
        mistakes += [("", wrong[0])]
    rosters.no_teachers = wrong[0] if wrong else None
    if len(files) == len(lists):
        what = _("there is no CSV or XLSX file with the columns batch, subject, student_id")
        rosters.unread.append(Problem("rosters", 0, what))
    rosters.mistakes = [*(problem for _batch, problem in mistakes), *rosters.unread]
    rosters.warnings = _grouped(warnings)
    return rosters


def _unknown_batches(rosters: Rosters) -> list[Problem]:
    """Warn of teachers' batches that are on no roster or are divided by something else than "|"."""
    found = []
    for teacher in rosters.teachers.values():
        if isinstance(teacher, Row):
            batches = rosters.batches(teacher)
            if batches != teacher.several("batch"):
                found.append(teacher.problem(_("batches are divided by commas or semicolons: put | between them")))
            if unknown := [batch for batch in batches if not rosters.knows(batch)]:
                found.append(teacher.problem(_("{batches}: on no roster"), batches=", ".join(unknown)))
    return found


def _grouped(problems: Iterable[Problem]) -> list[Problem]:
    """Put problems of one kind in one file together: the first line is named, the others are counted."""
    found: dict[tuple[str, str], Problem] = {}
    for each in problems:
        first = found.get((each.file, each.what))
        found[each.file, each.what] = replace(first, more=first.more + 1) if first is not None else each
    return list(found.values())


def _merged(one: Enrolled, other: Enrolled) -> Enrolled | None:
    """Return what two lines say together of one student; None if they contradict each other."""
    names = [each.name for each in (one, other) if folded(each.name) != folded(each.student_id)] or [one.name]
    emails = [each.email for each in (one, other) if each.email] or [""]
    ids = {one.student_id.casefold(), other.student_id.casefold()}
    is_one = len(ids) == len({name.casefold() for name in names}) == len(set(emails)) == 1
    allowed = one.face_allowed and other.face_allowed
    return replace(one, name=names[0], email=emails[0], face_allowed=allowed) if is_one else None


def _copies(by_file: Mapping[str, Mapping[Course, set[str]]]) -> list[tuple[str, Problem]]:
    """Find batches that differ between a file and its copy, such as "r (1).csv", or the same file as XLSX."""
    found = []
    originals: dict[str, str] = {}  # by name without an ending
    for name in sorted(by_file, key=lambda name: (len(name), name)):
        original = originals.setdefault(_COPY.sub("", PurePath(name).stem.casefold()), name)
        what = _("differs from {file}, of which it seems to be a copy: delete one of the two")
        for course in by_file[name].keys() & by_file[original].keys():
            if by_file[name][course] != by_file[original][course]:
                found.append((course.batch, Problem(name, 0, what, {"file": original})))
    return found


def _lost_zeros(course: Course, students: Iterable[Place]) -> list[Problem]:
    """Warn of a batch whose IDs are numbers of different lengths."""
    by_length = {len(each[2].student_id): each for each in students if each[2].student_id.isdecimal()}
    if len(by_length) < 2 or max(by_length) < 4:
        return []
    name, line, student = by_length[min(by_length)]
    what = _("IDs in {batch} have {short} to {long} digits, like {id}: leading zeros may be lost")
    digits = {"short": str(min(by_length)), "long": str(max(by_length))}
    return [Problem(name, line, what, {"batch": course.batch, "id": student.student_id, **digits})]


def _spellings(first: Mapping[Course, Mapping[str, Place]]) -> list[Problem]:
    """Warn of batches that are written in several ways: each spelling is a batch of its own."""
    spellings: dict[str, dict[str, Place]] = defaultdict(dict)
    for course, students in first.items():
        spellings[batch_key(course.batch).replace("-", "")][course.batch] = next(iter(students.values()))
    what = _("one batch in several spellings, each a batch of its own: {spellings}")
    found = [each for each in spellings.values() if len(each) > 1]
    return [Problem(*list(each.values())[-1][:2], what, {"spellings": ", ".join(each)}) for each in found]
