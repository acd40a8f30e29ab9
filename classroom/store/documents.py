"""The classroom's records as documents of MongoDB, and the indexes over them.

Only what MongoDB itself deletes after a time carries a date of its own; it has milliseconds, the texts microseconds.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from pymongo import ASCENDING, DESCENDING, IndexModel

from classroom.domain.sessions import Binding, CheckIn, Consent, Mark, Session, Sheet, Teacher, Template, folded
from classroom.store import TRIES_KEPT, Correction, account_hash
from classroom.store.plain import fields_of, parse, parse_check_in, reading, text_of

Document = dict[str, Any]
Kind = TypeVar("Kind")

# "sparse": a document without the field is not in the index, so a unique value is freed by removing its field. An
# empty list is a value, too: it has to be removed as well.
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
    "corrections": [IndexModel("telegram_id"), IndexModel("session"), IndexModel("asked_at"), IndexModel("decided_at")],
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


def keyed(record: Any, key: str) -> Document:
    """Return a record's document, with the field that is its key as ``_id``."""
    fields = fields_of(record)
    return {"_id": fields.pop(key), **fields}


def _reader(kind: type[Kind], collection: str, key: str = "_id") -> Callable[[Document], Kind]:
    return lambda document: parse(kind, collection, document | {key: document["_id"]})


teacher_from = _reader(Teacher, "teachers", "telegram_id")
consent_from = _reader(Consent, "consents", "telegram_id")
session_from = _reader(Session, "sessions", "id")
template_from = _reader(Template, "templates")
binding_from = _reader(Binding, "bindings")
correction_from = _reader(Correction, "corrections")


def key_of(session_id: str, name: str) -> str:
    """Return the key of a session's sheet (by batch) or check-in (by student ID). Session IDs have no slash."""
    return f"{session_id}/{name}"


# A session's document also holds its codes and lessons, so that opening a session is one insert.


def session_document(session: Session, lessons: list[str], code: str, valid_until: datetime) -> Document:
    document = {**keyed(session, "id"), "revision": 0}
    if lessons:
        document["lessons"] = lessons
    return with_codes(document, [{"code": code, "valid_until": text_of(valid_until)}])


def lesson_of(sheet: Sheet) -> str:
    """Return a batch's lesson as one text, which no two sessions may share."""
    return json.dumps([sheet.campus, sheet.batch, sheet.subject, sheet.date], ensure_ascii=False)


def with_codes(document: Document, codes: list[Document]) -> Document:
    """Return a session's document with these codes, the newest last; those before them become past codes."""
    changed = {name: value for name, value in document.items() if name not in ("codes", "live_codes")}
    kept = {each["code"] for each in codes}
    gone = [each for each in document.get("codes", []) if each["code"] not in kept]
    if gone:
        changed["past_codes"] = [*document.get("past_codes", []), *gone]
    if codes:
        changed |= {"codes": codes, "live_codes": [each["code"] for each in codes]}
    return changed


def good_codes(document: Document, now: datetime) -> list[Document]:
    """Return a session's codes that are valid now, the newest last."""
    return [each for each in document.get("codes", []) if each["valid_until"] >= text_of(now)]


# sheets: the collection "marks"


def sheet_document(sheet: Sheet, draft_since: datetime) -> Document:
    """Return a new sheet's document, a draft until its session is stored.

    A mark is stored under the student's position in the roster: an ID may have characters that a field's name may not.
    """
    return {
        "_id": key_of(sheet.session, sheet.batch),
        **fields_of(sheet),
        "students": [folded(student.student_id) for student in sheet.roster],
        "marks": {},
        "owed": True,
        "draft_since": text_of(draft_since),
    }


def sheet_from(document: Document) -> Sheet:
    with reading("marks"):
        roster = document["roster"]
        marks = [{**mark, "student_id": roster[int(at)]["student_id"]} for at, mark in document["marks"].items()]
        by_student = {mark["student_id"]: mark for mark in marks}
        read_back = document["read_back"]
        if read_back is not None:
            read_back = read_back | {"differs": dict(read_back["differs"])}
    return parse(Sheet, "marks", document | {"marks": by_student, "read_back": read_back})


def places_in(document: Document, student_id: str) -> list[int]:
    """Return a student's positions in a sheet's roster: one, unless the roster is faulty."""
    with reading("marks"):
        return [at for at, each in enumerate(document["students"]) if each == folded(student_id)]


def mark_document(mark: Mark) -> Document:
    return {name: value for name, value in fields_of(mark).items() if name != "student_id"}


def check_in_document(check_in: CheckIn) -> Document:
    return {"_id": key_of(check_in.session, check_in.student_id), **fields_of(check_in)}


def check_in_from(document: Document) -> CheckIn:
    with reading("check_ins"):
        face = document["face"]
    return parse_check_in(document, face)


def template_document(template: Template) -> Document:
    """Return a template's document. Its key is the folded student ID."""
    return {"_id": folded(template.student_id), **fields_of(template)}


# bindings: one that was undone keeps the record of that, and frees both unique fields


def binding_document(binding: Binding) -> Document:
    keys = {"folded": folded(binding.student_id), "account": account_hash(binding.telegram_id)}
    return fields_of(binding) | keys
