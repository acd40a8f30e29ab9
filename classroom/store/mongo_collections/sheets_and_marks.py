"""Sheets and marks in MongoDB; for the methods see ``Store``."""

from collections.abc import Collection

from pymongo import ASCENDING

from classroom.domain.sessions import Mark, Sheet
from classroom.store import NoSuchSession
from classroom.store.documents import Document, key_of, mark_document, place_in, sheet_from
from classroom.store.mongo_connection import MongoConnection, asks
from classroom.store.plain import fields_of


class SheetsAndMarks(MongoConnection):
    @asks
    async def sheets(self, session_id: str) -> list[Sheet]:
        return await self.every("marks", sheet_from, {"session": session_id}, "batch")

    @asks
    async def sheet_of(self, session_id: str, student_id: str) -> Sheet | None:
        document = await self._sheet_with(session_id, student_id)
        return sheet_from(document) if document is not None else None

    @asks
    async def mark(self, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        sheet = await self._sheet_with(session_id, mark.student_id, "students")  # rosters don't change
        if sheet is None:
            raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
        field, new = f"marks.{place_in(sheet, mark.student_id)}", mark_document(mark)
        if overwrite:
            when: Document = {"$or": [{f"{field}.{name}": {"$ne": new[name]}} for name in ("status", "by", "reason")]}
        else:
            when = {field: {"$exists": False}}
        change = {"$set": {field: new, "owed": True}, "$inc": {"version": 1}}
        changed = await self.collection("marks").update_one({"_id": sheet["_id"], **when}, change)
        return changed.matched_count == 1

    @asks
    async def unacked(self) -> list[Sheet]:
        found = self.collection("marks").find({"owed": True, "refused": ""})
        owed = [each async for each in found.sort([("session", ASCENDING), ("batch", ASCENDING)])]
        if any("draft_since" in each for each in owed):  # of a session that is being opened, or never was
            known = await known_sessions(self, {each["session"] for each in owed})
            owed = [each for each in owed if each["session"] in known]
        return [sheet_from(each) for each in owed]

    @asks
    async def acked(self, session_id: str, batch: str, version: int) -> None:
        key, sheets = key_of(session_id, batch), self.collection("marks")
        change = {"$max": {"acked_version": version}, "$set": {"in_lms": True}}
        newest = {"_id": key, "version": {"$lte": version}}
        if not (await sheets.update_one(newest, change | {"$unset": {"owed": ""}})).matched_count:
            await sheets.update_one({"_id": key}, change)  # there are newer marks: it stays owed

    @asks
    async def set_in_lms(self, session_id: str, batch: str) -> None:
        await self._set_in_sheet(session_id, batch, {"in_lms": True})

    @asks
    async def set_read_back(self, sheet: Sheet) -> None:
        fields = fields_of(sheet)["read_back"]
        if fields is not None:  # a student's ID may have characters that a field's name may not
            fields["differs"] = list(fields["differs"].items())
        await self._set_in_sheet(sheet.session, sheet.batch, {"read_back": fields})

    @asks
    async def set_refused(self, session_id: str, batch: str, why: str) -> None:
        await self._set_in_sheet(session_id, batch, {"refused": why})

    async def _sheet_with(self, session_id: str, student_id: str, *fields: str) -> Document | None:
        key = {"session": session_id, "students": student_id.casefold()}
        return await self.collection("marks").find_one(key, list(fields) or None, sort=[("batch", ASCENDING)])

    async def _set_in_sheet(self, session_id: str, batch: str, fields: Document) -> None:
        await self.collection("marks").update_one({"_id": key_of(session_id, batch)}, {"$set": fields})


async def known_sessions(store: MongoConnection, session_ids: Collection[str]) -> set[str]:
    """Return which of these sessions are stored."""
    found = store.collection("sessions").find({"_id": {"$in": list(session_ids)}}, ["_id"])
    return {each["_id"] async for each in found}
