"""The migrations of the classroom's documents in MongoDB.

Each brings the documents to the next version, beginning with version 1, and may be repeated. A released migration never
changes; the tests have documents of every version.
"""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from classroom.domain.sessions import folded
from classroom.store.documents import NOT_ASCII, Document, key_of, lesson_text
from classroom.store.schema import log_unbound

Migration = Callable[[AsyncDatabase[Document]], Awaitable[None]]


async def _add_field(database: AsyncDatabase[Document], name: str, field: str, value: object) -> None:
    await database[name].update_many({field: {"$exists": False}}, {"$set": {field: value}})


async def _to_version_2(database: AsyncDatabase[Document]) -> None:
    await _add_field(database, "check_ins", "face", None)


async def _to_version_3(database: AsyncDatabase[Document]) -> None:
    """Migrate as ``schema.py`` does."""
    for name, field, value in (
        ("check_ins", "asked_at", None),
        ("check_ins", "waited", 0.0),
        ("check_ins", "rivals", []),
        ("marks", "read_back", None),
    ):
        await _add_field(database, name, field, value)
    over = {"$or": [{"final_at": {"$ne": None}}, {"cancelled": True}]}
    await database["sessions"].update_many(over, {"$set": {"place": None}})
    async for sheet in database["marks"].find():
        came = {
            each["student_id"]: each["code_at"]
            async for each in database["check_ins"].find({"session": sheet["session"]}, ["student_id", "code_at"])
        }
        changes: Document = {
            f"marks.{at}.came_at": came.get(sheet["roster"][int(at)]["student_id"]) if mark["by"] == 0 else None
            for at, mark in sheet["marks"].items()
            if "came_at" not in mark
        }
        changes["students"] = [folded(student["student_id"]) for student in sheet["roster"]]
        await database["marks"].update_one({"_id": sheet["_id"]}, {"$set": changes})
    await _fold_ids(database)


async def _fold_ids(database: AsyncDatabase[Document]) -> None:
    """Fold IDs by ``folded``. Of two bindings that are equal now the older one stays."""
    kept: set[str] = set()
    async for each in database["bindings"].find({"folded": {"$exists": True}}).sort([("bound_at", 1), ("folded", 1)]):
        if (new := folded(each["student_id"])) in kept:
            log_unbound(each["student_id"])
            await database["bindings"].delete_one({"_id": each["_id"]})
        kept.add(new)
    for name, ids in (("bindings", "student_id"), ("attempts", "folded")):
        async for each in database[name].find({"folded": {"$exists": True}}):
            await database[name].update_one({"_id": each["_id"]}, {"$set": {"folded": folded(each[ids])}})
    async for each in database["templates"].find({}, ["student_id"]):  # the key's name has changed, too: made again
        if each["_id"] != folded(each["student_id"]):
            await database["templates"].delete_one({"_id": each["_id"]})


async def _to_version_4(database: AsyncDatabase[Document]) -> None:
    """Migrate as ``schema.py`` does."""
    await _add_field(database, "sessions", "reopened_at", None)
    async for each in database["teachers"].find({}, ["phone"]):
        await database["teachers"].update_one({"_id": each["_id"]}, {"$set": {"phone": each["phone"].lstrip("+")}})


async def _to_version_5(database: AsyncDatabase[Document]) -> None:
    """Migrate as ``schema.py`` does; rosters without ``face_allowed`` allow it."""
    await _add_field(database, "consents", "with_class", False)


async def _to_version_6(database: AsyncDatabase[Document]) -> None:
    """Migrate as ``schema.py`` does to its version 7. Sessions hold the lessons of before as they did."""
    for name, fields in (
        ("sessions", {"lesson": "", "lms_record": "own", "without_phones": False}),
        ("marks", {"lesson": "", "lms_record": "own", "lms_kind": ""}),
    ):
        for field, value in fields.items():
            await _add_field(database, name, field, value)


async def _to_version_7(database: AsyncDatabase[Document]) -> None:
    """Migrate as ``schema.py`` does to its version 8: Greek letters that look like Latin ones are folded, too."""
    await _add_field(database, "attempts", "code_of", "")
    sheets, sessions, corrections = (database[name] for name in ("marks", "sessions", "corrections"))
    async for sheet in sheets.find({"students": NOT_ASCII}, ["roster"]):
        students = [folded(student["student_id"]) for student in sheet["roster"]]
        await sheets.update_one({"_id": sheet["_id"]}, {"$set": {"students": students}})
    await _fold_ids(database)
    async for each in corrections.find({"folded": NOT_ASCII}):
        if (new := folded(each["student_id"])) != each["folded"]:
            moved = {"_id": key_of(each["session"], new), "folded": new}
            await corrections.replace_one({"_id": moved["_id"]}, each | moved, upsert=True)
            await corrections.delete_one({"_id": each["_id"]})
    async for each in sessions.find({"lessons": NOT_ASCII}, ["lessons"]):
        lessons = [lesson_text(*json.loads(lesson)) for lesson in each["lessons"]]
        with suppress(DuplicateKeyError):
            await sessions.update_one({"_id": each["_id"]}, {"$set": {"lessons": lessons}})


MIGRATIONS: list[Migration] = [_to_version_2, _to_version_3, _to_version_4, _to_version_5, _to_version_6, _to_version_7]
