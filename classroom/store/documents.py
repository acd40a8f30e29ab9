"""What the classroom's things look like as documents of MongoDB, and the indexes over them.

Times are text in UTC, of one length, so that they compare as times do and keep their microseconds (MongoDB's dates
have milliseconds); only what MongoDB itself deletes after a time carries a date.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from classroom.domain.sessions import (
    Binding,
    CheckIn,
    CheckInStep,
    Consent,
    Enrolled,
    Mark,
    Place,
    Session,
    Sheet,
    Status,
    Teacher,
    Template,
)
from classroom.store import TRIES_KEPT, StoreDamaged, account_hash
from classroom.store.face_checks import face_from, plain_face

Document = dict[str, Any]

# "sparse": who lacks the field is not in the index, so letting go of something unique is leaving out its field. An
# empty list is a value as others are: it must be left out as well.
INDEXES: dict[str, list[IndexModel]] = {
    "sessions": [
        IndexModel("lessons", unique=True, sparse=True),
        IndexModel("live_codes", unique=True, sparse=True),
        IndexModel("past_codes.code", sparse=True),
        IndexModel([("teacher", ASCENDING), ("opened_at", DESCENDING)]),
        IndexModel("final_at"),
    ],
    "marks": [
        IndexModel([("session", ASCENDING), ("batch", ASCENDING)]),
        IndexModel([("students", ASCENDING), ("session", ASCENDING)]),
        IndexModel("owed", sparse=True),
        IndexModel("draft_since", sparse=True),
    ],
    "check_ins": [
        IndexModel([("session", ASCENDING), ("code_at", ASCENDING)]),
        IndexModel([("telegram_id", ASCENDING), ("code_at", DESCENDING)]),
        IndexModel([("step", ASCENDING), ("face.sent_at", ASCENDING)]),
    ],
    "consents": [IndexModel("at")],
    "templates": [IndexModel("made_at")],
    "used_notes": [IndexModel("at")],
    "bindings": [
        IndexModel("folded", unique=True, sparse=True),
        IndexModel("account", unique=True, sparse=True),
        IndexModel("telegram_id", sparse=True),
        IndexModel("undone.at", sparse=True),
    ],
    "attempts": [
        IndexModel("at", expireAfterSeconds=int(TRIES_KEPT.total_seconds())),
        IndexModel([("telegram_id", ASCENDING), ("at", ASCENDING)]),
        IndexModel([("folded", ASCENDING), ("at", ASCENDING)]),
    ],
}


def text_of(at: datetime) -> str:
    """Return a time as it is kept."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def lesson_of(sheet: Sheet) -> str:
    """Return what no two sessions may have both, as one text: a lesson of a batch."""
    return json.dumps([sheet.campus, sheet.batch, sheet.subject, sheet.date], ensure_ascii=False)


@contextmanager
def _reading(collection: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreDamaged(f"a document of '{collection}' is not as this program writes it ({error!r})") from error


# teachers


def teacher_document(teacher: Teacher) -> Document:
    """Return a teacher's document."""
    fields = asdict(teacher)
    return {"_id": fields.pop("telegram_id"), **fields}


@_reading("teachers")
def teacher_from(document: Document) -> Teacher:
    """Return the teacher of a document."""
    names = ("phone", "email", "name", "lms_id", "campus")
    return Teacher(document["_id"], **{name: document[name] for name in names})


# sessions: with their codes and the lessons that they hold, so that opening one is one insert


def session_document(session: Session, lessons: list[str], code: str, valid_until: datetime) -> Document:
    """Return a new session's document with its first code."""
    fields = asdict(session)
    times = {name: _maybe_text(getattr(session, name)) for name in ("ended_at", "reported_at", "final_at")}
    document = {
        "_id": fields.pop("id"),
        **fields,
        **times,
        "batches": list(session.batches),
        "opened_at": text_of(session.opened_at),
        "closes_at": text_of(session.closes_at),
        "lessons": lessons,
        "revision": 0,
    }
    if not lessons:
        del document["lessons"]
    return with_codes(document, [{"code": code, "valid_until": text_of(valid_until)}])


def with_codes(document: Document, codes: list[Document]) -> Document:
    """Return a session's document with these codes, the newest last; those before them are remembered as past."""
    changed = {name: value for name, value in document.items() if name not in ("codes", "live_codes")}
    kept = {each["code"] for each in codes}
    gone = [each for each in document.get("codes", []) if each["code"] not in kept]
    if gone:
        changed["past_codes"] = [*document.get("past_codes", []), *gone]
    if codes:
        changed |= {"codes": codes, "live_codes": [each["code"] for each in codes]}
    return changed


@_reading("sessions")
def session_from(document: Document) -> Session:
    """Return the session of a document."""
    return Session(
        id=document["_id"],
        teacher=document["teacher"],
        campus=document["campus"],
        subject=document["subject"],
        batches=tuple(document["batches"]),
        date=document["date"],
        place=Place(**document["place"]),
        opened_at=datetime.fromisoformat(document["opened_at"]),
        closes_at=datetime.fromisoformat(document["closes_at"]),
        rotate_seconds=document["rotate_seconds"],
        ended_at=_maybe_time(document["ended_at"]),
        cancelled=document["cancelled"],
        reported_at=_maybe_time(document["reported_at"]),
        final_at=_maybe_time(document["final_at"]),
    )


# sheets: the collection "marks"


def sheet_id(session_id: str, batch: str) -> str:
    """Return a sheet's key. A session's id has no slash in it."""
    return f"{session_id}/{batch}"


def sheet_document(sheet: Sheet, draft_since: datetime) -> Document:
    """Return a new sheet's document: a draft until its session is kept.

    A student's mark stands under the student's place in the roster: an ID may hold what a field's name may not.
    """
    fields = asdict(sheet)
    return {
        "_id": sheet_id(sheet.session, sheet.batch),
        **fields,
        "roster": list(fields["roster"]),
        "students": [student.student_id.casefold() for student in sheet.roster],
        "marks": {},
        "owed": True,
        "draft_since": text_of(draft_since),
    }


@_reading("marks")
def sheet_from(document: Document) -> Sheet:
    """Return the sheet of a document."""
    roster = tuple(Enrolled(**student) for student in document["roster"])
    marks = [_mark(roster[int(place)].student_id, mark) for place, mark in document["marks"].items()]
    return Sheet(
        session=document["session"],
        campus=document["campus"],
        batch=document["batch"],
        subject=document["subject"],
        date=document["date"],
        teacher=document["teacher"],
        roster=roster,
        marks={mark.student_id: mark for mark in marks},
        version=document["version"],
        acked_version=document["acked_version"],
        in_lms=document["in_lms"],
        refused=document["refused"],
    )


@_reading("marks")
def place_in(document: Document, student_id: str) -> int:
    """Return a student's place in a sheet's roster."""
    place: int = document["students"].index(student_id.casefold())
    return place


@_reading("marks")
def mark_in(document: Document, student_id: str) -> Mark | None:
    """Return a student's mark in a sheet."""
    place = document["students"].index(student_id.casefold())
    mark = document["marks"].get(str(place))
    return _mark(document["roster"][place]["student_id"], mark) if mark is not None else None


def mark_document(mark: Mark) -> Document:
    """Return a mark as it stands in its sheet."""
    return {"status": mark.status.value, "at": text_of(mark.at), "by": mark.by, "reason": mark.reason}


def _mark(student_id: str, mark: Document) -> Mark:
    return Mark(student_id, Status(mark["status"]), datetime.fromisoformat(mark["at"]), mark["by"], mark["reason"])


# check-ins


def check_in_id(session_id: str, student_id: str) -> str:
    """Return a check-in's key. A session's id has no slash in it."""
    return f"{session_id}/{student_id}"


def check_in_document(check_in: CheckIn) -> Document:
    """Return a check-in's document."""
    times = {"code_at": text_of(check_in.code_at), "updated_at": _maybe_text(check_in.updated_at)}
    key = check_in_id(check_in.session, check_in.student_id)
    return {"_id": key, **asdict(check_in), **times, "step": check_in.step.value, "face": plain_face(check_in.face)}


@_reading("check_ins")
def check_in_from(document: Document) -> CheckIn:
    """Return the check-in of a document."""
    return CheckIn(
        session=document["session"],
        student_id=document["student_id"],
        telegram_id=document["telegram_id"],
        step=CheckInStep(document["step"]),
        code_at=datetime.fromisoformat(document["code_at"]),
        note=document["note"],
        distance=document["distance"],
        accuracy=document["accuracy"],
        updated_at=_maybe_time(document["updated_at"]),
        face=face_from(document["face"]),
    )


# faces


def consent_document(consent: Consent) -> Document:
    """Return a consent's document."""
    return {"_id": consent.telegram_id, "given": consent.given, "at": text_of(consent.at), "wording": consent.wording}


@_reading("consents")
def consent_from(document: Document) -> Consent:
    """Return the consent of a document."""
    return Consent(document["_id"], document["given"], datetime.fromisoformat(document["at"]), document["wording"])


def template_document(template: Template) -> Document:
    """Return a template's document. Its key is the student ID without case."""
    return {"_id": template.student_id.casefold(), **asdict(template), "made_at": text_of(template.made_at)}


@_reading("templates")
def template_from(document: Document) -> Template:
    """Return the template of a document."""
    return Template(
        document["student_id"],
        document["engine"],
        document["photo_tag"],
        bytes(document["sealed"]),
        datetime.fromisoformat(document["made_at"]),
    )


# bindings: one that was undone keeps the record of that, and lets go of both unique fields


def binding_document(binding: Binding) -> Document:
    """Return a binding's document."""
    return {
        "student_id": binding.student_id,
        "telegram_id": binding.telegram_id,
        "bound_at": text_of(binding.bound_at),
        "folded": binding.student_id.casefold(),
        "account": account_hash(binding.telegram_id),
    }


@_reading("bindings")
def binding_from(document: Document) -> Binding:
    """Return the binding of a document."""
    return Binding(document["telegram_id"], document["student_id"], datetime.fromisoformat(document["bound_at"]))


def _maybe_text(at: datetime | None) -> str | None:
    return text_of(at) if at is not None else None


def _maybe_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
