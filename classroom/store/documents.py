"""The classroom's records as documents of MongoDB, and the indexes over them.

Only what MongoDB itself deletes after a time carries a date of its own; it has milliseconds, the texts microseconds.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from pymongo import ASCENDING, DESCENDING, IndexModel

from classroom.domain.sessions import Sheet, folded
from classroom.store import TRIES_KEPT
from classroom.store.plain import TABLES, fields_of, parse, plain, reading, text_of, unkeyed
from classroom.store.records import Attempt
from core.encryption import Digest

Document = dict[str, Any]
Kind = TypeVar("Kind")


def _directions(order: str) -> list[tuple[str, int]]:
    fields = [(each.removeprefix("-"), each.startswith("-")) for each in order.split()]
    return [(name, DESCENDING if is_falling else ASCENDING) for name, is_falling in fields]


def _on(*orders: str, **options: Any) -> list[IndexModel]:
    """Return an index for each order, which is written as in ``Records``."""
    return [IndexModel(_directions(order), **options) for order in orders]


# "sparse": a document without the field is not in the index, so a unique value is freed by removing its field. An
# empty list is a value, too: it has to be removed as well.
_sparse, _unique = partial(_on, sparse=True), partial(_on, sparse=True, unique=True)
INDEXES: dict[str, list[IndexModel]] = {
    "sessions": [
        *_unique("lessons", "live_codes"),
        *_sparse("past_codes.code"),
        *_on("teacher -opened_at", "final_at"),
    ],
    "marks": [*_on("session batch", "students session", "date batch"), *_sparse("owed", "draft_since")],
    "check_ins": _on("session code_at", "telegram_id -code_at", "step face.sent_at"),
    "consents": _on("at"),
    "corrections": _on("telegram_id", "session", "asked_at", "decided_at"),
    "templates": _on("made_at"),
    "used_notes": _on("at"),
    "bindings": [*_unique("folded", "account", "taken"), *_sparse("telegram_id", "undone.at")],
    "attempts": [*_on("telegram_id at", "folded at"), *_on("at", expireAfterSeconds=int(TRIES_KEPT.total_seconds()))],
}


NOT_ASCII = {"$regex": "[^ -~]"}  # a condition: only such texts are folded in another way by a newer version


def collection_of(kind: type[Any]) -> str:
    return "marks" if kind is Sheet else TABLES[kind].name


def key_of(*parts: str) -> str:
    """Return the key of what is in a session: of a sheet (by batch), or of a check-in (by student ID)."""
    return "/".join(parts)  # session IDs have no slash


def stored(kind: type[Any], values: Mapping[str, Any]) -> Document:
    """Return values as documents have them. Only the time of an attempt, which MongoDB itself deletes, stays a time."""
    if kind is Attempt:
        return dict(values)
    found: Document = plain(dict(values))
    if found.get("read_back"):  # a student's ID may have characters that a field's name may not
        found["read_back"]["differs"] = list(found["read_back"]["differs"].items())
    return found


def _identified(kind: type[Any], values: Document) -> Document:
    """Return values with ``_id`` in the place of the kind's key, if they have it."""
    key = TABLES[kind].key
    if not key or not values.keys() >= set(key):
        return values
    parts = [values[name] for name in key]
    rest = {name: value for name, value in values.items() if name not in key}
    return {"_id": parts[0] if len(parts) == 1 else key_of(*parts), **rest}


def document_of(record: Any, digest: Digest = unkeyed) -> Document:
    kind = type(record)
    fields = asdict(record) if kind is Attempt else fields_of(record, digest)
    found = _identified(kind, fields)
    return found if len(TABLES[kind].key) == 1 else fields | found


def record_from(kind: type[Kind], document: Document) -> Kind:
    key = TABLES[kind].key
    values = document | {key[0]: document["_id"]} if len(key) == 1 else document
    return parse(kind, _with_students(values) if kind is Sheet else values)


def conditions(kind: type[Any], where: Mapping[str, Any]) -> Document:
    """Return conditions as ``Records`` takes them as MongoDB's."""
    terms: dict[str, Document] = {}
    for condition, value in _identified(kind, stored(kind, where)).items():
        name, _, operator = condition.partition("__")
        field = "_id" if (name,) == TABLES[kind].key else name
        terms[field] = terms.get(field, {}) | {f"${operator or 'eq'}": value}
    return terms


def sorting(kind: type[Any], order: str) -> list[tuple[str, int]]:
    """Return an order as ``Records`` takes it as MongoDB's."""
    return [("_id" if (name,) == TABLES[kind].key else name, which) for name, which in _directions(order)]


# A session's document also holds its codes and lessons, so that opening a session is one insert.


def lesson_of(sheet: Sheet) -> str:
    """Return a batch's lesson as one text, which no two sessions may share; without a name as it was before names."""
    return lesson_text(sheet.campus, sheet.batch, sheet.subject, sheet.date, *([sheet.lesson] if sheet.lesson else []))


def lesson_text(campus: str, batch: str, subject: str, date: str, *lesson: str) -> str:
    return json.dumps([campus, batch, subject, date, *map(folded, lesson)], ensure_ascii=False)


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
        **document_of(sheet),
        "students": [folded(student.student_id) for student in sheet.roster],
        "marks": {},
        "owed": True,
        "draft_since": text_of(draft_since),
    }


def _with_students(document: Document) -> Document:
    """Return a sheet's document with its marks by student ID."""
    with reading(Sheet):
        ids = {str(at): student["student_id"] for at, student in enumerate(document["roster"])}
        marks = {ids[at]: {**mark, "student_id": ids[at]} for at, mark in document["marks"].items()}
        read_back = document["read_back"]
        if read_back is not None:
            read_back = read_back | {"differs": dict(read_back["differs"])}
    return document | {"marks": marks, "read_back": read_back}


def places_in(document: Document, student_id: str) -> list[int]:
    """Return a student's positions in a sheet's roster: one, unless the roster is faulty."""
    with reading(Sheet):
        return [at for at, each in enumerate(document["students"]) if each == folded(student_id)]
