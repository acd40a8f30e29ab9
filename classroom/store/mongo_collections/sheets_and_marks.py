"""Sheets and marks in MongoDB; for the methods see ``Store``."""

from collections.abc import Collection

from pymongo import ASCENDING

from classroom.domain.sessions import Mark, Sheet, folded
from classroom.store import NoSuchSession
from classroom.store.documents import Document, key_of, places_in, record_from
from classroom.store.mongo_connection import MongoConnection, asks
from classroom.store.plain import fields_of

COMPARED = ("status", "by", "reason", "came_at")  # a mark that differs in none of these is no change


class SheetsAndMarks(MongoConnection):
    @asks
    async def sheets_of(self, session_id: str, student_id: str) -> list[Sheet]:
        return await self.found(Sheet, {"session": session_id, "students": folded(student_id)}, "batch")

    @asks
    async def mark(self, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        # in one order: of a check-in and a teacher's mark at once the teacher's is kept in every sheet
        key = {"session": session_id, "students": folded(mark.student_id)}
        found = self.collection("marks").find(key, ["students"]).sort("batch")
        places = [(sheet["_id"], at) async for sheet in found for at in places_in(sheet, mark.student_id)]
        if not places:
            raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
        new, changed = {name: value for name, value in fields_of(mark).items() if name != "student_id"}, 0
        for sheet_key, at in places:
            field = f"marks.{at}"
            when: Document = {field: {"$exists": False}}
            if overwrite:
                when = {"$or": [{f"{field}.{name}": {"$ne": new[name]}} for name in COMPARED]}
            change = {"$set": {field: new, "owed": True}, "$inc": {"version": 1}}
            changed += (await self.collection("marks").update_one({"_id": sheet_key, **when}, change)).matched_count
        return changed > 0

    @asks
    async def unacked(self) -> list[Sheet]:
        found = self.collection("marks").find({"owed": True, "refused": ""})
        owed = [each async for each in found.sort([("session", ASCENDING), ("batch", ASCENDING)])]
        if any("draft_since" in each for each in owed):  # of a session that is being opened, or never was
            known = await known_sessions(self, {each["session"] for each in owed})
            owed = [each for each in owed if each["session"] in known]
        return [record_from(Sheet, each) for each in owed]

    @asks
    async def acked(self, session_id: str, batch: str, version: int) -> None:
        key, sheets = key_of(session_id, batch), self.collection("marks")
        change = {"$max": {"acked_version": version}, "$set": {"in_lms": True}}
        newest = {"_id": key, "version": {"$lte": version}}
        if not (await sheets.update_one(newest, change | {"$unset": {"owed": ""}})).matched_count:
            await sheets.update_one({"_id": key}, change)  # there are newer marks: it stays owed


async def known_sessions(store: MongoConnection, session_ids: Collection[str]) -> set[str]:
    """Return which of these sessions are stored."""
    found = store.collection("sessions").find({"_id": {"$in": list(session_ids)}}, ["_id"])
    return {each["_id"] async for each in found}
