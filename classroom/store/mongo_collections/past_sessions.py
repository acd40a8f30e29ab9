"""Past sessions, and cleaning in MongoDB; for the methods see ``Store``."""

from datetime import datetime

from pymongo import ASCENDING, DESCENDING

from classroom.domain.sessions import Mark, Session, Sheet
from classroom.store import TRIES_KEPT
from classroom.store.documents import mark_in, session_from, sheet_from
from classroom.store.mongo_collections.sessions import ENDED, NEWEST_FIRST
from classroom.store.mongo_collections.sheets_and_marks import known_sessions
from classroom.store.mongo_connection import MongoConnection, asks
from classroom.store.plain import text_of


class PastSessions(MongoConnection):
    @asks
    async def history(self, teacher: int, since: str) -> list[tuple[Session, list[Sheet]]]:
        which = {"teacher": teacher, "date": {"$gte": since}, **ENDED}
        sessions = [session_from(each) async for each in self.collection("sessions").find(which).sort(NEWEST_FIRST)]
        sheets: dict[str, list[Sheet]] = {session.id: [] for session in sessions}
        found = self.collection("marks").find({"session": {"$in": list(sheets)}})
        async for each in found.sort("batch", ASCENDING):
            sheets[each["session"]].append(sheet_from(each))
        return [(session, sheets[session.id]) for session in sessions]

    @asks
    async def attended(self, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        student = {"students": student_id.casefold()}
        ids = [each["session"] async for each in self.collection("marks").find(student, ["session"])]
        found = self.collection("sessions").find({"_id": {"$in": ids}, **ENDED})
        sessions = [session_from(each) async for each in found.sort(NEWEST_FIRST).limit(limit)]
        marks: dict[str, Mark | None] = {}
        which = {**student, "session": {"$in": [session.id for session in sessions]}}
        async for each in self.collection("marks").find(which).sort("batch", DESCENDING):
            marks[each["session"]] = mark_in(each, student_id)  # of two batches the first, as for marking
        return [(session, marks.get(session.id)) for session in sessions]

    @asks
    async def clean(self, now: datetime, keep_since: datetime) -> int:
        hour_ago, old = now - TRIES_KEPT, text_of(keep_since)
        sessions, sheets = self.collection("sessions"), self.collection("marks")
        count = (await self.collection("attempts").delete_many({"at": {"$lt": hour_ago}})).deleted_count
        count += (await self.collection("bindings").delete_many({"undone.at": {"$lt": old}})).deleted_count
        count += (await self.collection("used_notes").delete_many({"at": {"$lt": old}})).deleted_count
        over = {"opened_at": {"$lt": old}, "$or": [{"final_at": {"$ne": None}}, {"cancelled": True}]}
        ids = [each["_id"] async for each in sessions.find(over, ["_id"])]
        if ids:  # the session last, so that a call that was interrupted leaves nothing behind
            await sheets.delete_many({"session": {"$in": ids}})
            await self.collection("check_ins").delete_many({"session": {"$in": ids}})
            count += (await sessions.delete_many({"_id": {"$in": ids}})).deleted_count
        return count + await self._clean_drafts(text_of(hour_ago))

    async def _clean_drafts(self, until: str) -> int:
        """Delete the sheets whose session was never stored: the process or MongoDB stopped in between."""
        sheets, old = self.collection("marks"), {"draft_since": {"$lt": until}}
        drafts = {each["session"] async for each in sheets.find(old, ["session"])}
        if not drafts:
            return 0
        stored = await known_sessions(self, drafts)
        await sheets.update_many({"session": {"$in": list(stored)}}, {"$unset": {"draft_since": ""}})
        return (await sheets.delete_many({"session": {"$in": list(drafts - stored)}, **old})).deleted_count
