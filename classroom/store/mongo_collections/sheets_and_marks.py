"""Sheets and marks in MongoDB. Each public function is the method of ``Store`` with its name."""

from collections.abc import Collection

from pymongo import ASCENDING

from classroom.domain.sessions import Mark, Sheet
from classroom.store import NoSuchSession
from classroom.store.documents import Document, mark_document, place_in, sheet_from, sheet_id
from classroom.store.mongo_connection import MongoConnection, asks


@asks
async def sheets(store: MongoConnection, session_id: str) -> list[Sheet]:
    found = store.collection("marks").find({"session": session_id})
    return [sheet_from(each) async for each in found.sort("batch", ASCENDING)]


@asks
async def sheet_of(store: MongoConnection, session_id: str, student_id: str) -> Sheet | None:
    document = await _sheet_with(store, session_id, student_id)
    return sheet_from(document) if document is not None else None


@asks
async def mark(store: MongoConnection, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
    """See ``Store.mark``. Raises NoSuchSession where no roster of the session has the student."""
    sheet = await _sheet_with(store, session_id, mark.student_id, "students")  # rosters don't change
    if sheet is None:
        raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
    field, new = f"marks.{place_in(sheet, mark.student_id)}", mark_document(mark)
    if overwrite:
        when: Document = {"$or": [{f"{field}.{name}": {"$ne": new[name]}} for name in ("status", "by", "reason")]}
    else:
        when = {field: {"$exists": False}}
    change = {"$set": {field: new, "owed": True}, "$inc": {"version": 1}}
    changed = await store.collection("marks").update_one({"_id": sheet["_id"], **when}, change)
    return changed.matched_count == 1


@asks
async def unacked(store: MongoConnection) -> list[Sheet]:
    found = store.collection("marks").find({"owed": True, "refused": ""})
    owed = [each async for each in found.sort([("session", ASCENDING), ("batch", ASCENDING)])]
    if any("draft_since" in each for each in owed):  # of a session that is being opened, or never was
        known = await known_sessions(store, {each["session"] for each in owed})
        owed = [each for each in owed if each["session"] in known]
    return [sheet_from(each) for each in owed]


@asks
async def acked(store: MongoConnection, session_id: str, batch: str, version: int) -> None:
    key, sheets = sheet_id(session_id, batch), store.collection("marks")
    change = {"$max": {"acked_version": version}, "$set": {"in_lms": True}}
    newest = {"_id": key, "version": {"$lte": version}}
    if not (await sheets.update_one(newest, change | {"$unset": {"owed": ""}})).matched_count:
        await sheets.update_one({"_id": key}, change)  # there are newer marks: it stays owed


@asks
async def set_in_lms(store: MongoConnection, session_id: str, batch: str) -> None:
    await _set_in_sheet(store, session_id, batch, {"in_lms": True})


@asks
async def set_refused(store: MongoConnection, session_id: str, batch: str, why: str) -> None:
    await _set_in_sheet(store, session_id, batch, {"refused": why})


async def _sheet_with(store: MongoConnection, session_id: str, student_id: str, *fields: str) -> Document | None:
    key = {"session": session_id, "students": student_id.casefold()}
    return await store.collection("marks").find_one(key, list(fields) or None, sort=[("batch", ASCENDING)])


async def _set_in_sheet(store: MongoConnection, session_id: str, batch: str, fields: Document) -> None:
    await store.collection("marks").update_one({"_id": sheet_id(session_id, batch)}, {"$set": fields})


async def known_sessions(store: MongoConnection, session_ids: Collection[str]) -> set[str]:
    """Return which of these sessions are stored."""
    found = store.collection("sessions").find({"_id": {"$in": list(session_ids)}}, ["_id"])
    return {each["_id"] async for each in found}
