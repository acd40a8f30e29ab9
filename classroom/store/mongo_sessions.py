"""Sessions and their codes in MongoDB, and the cleaning; for the methods see ``Store``."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from classroom.domain.sessions import Mark, Session, Sheet, code_ends, folded, mark_of
from classroom.store import CODES_KEPT, TRIES_KEPT, SessionExists, StoreUnavailable, documents
from classroom.store.documents import Document
from classroom.store.mongo_connection import MongoConnection, asks
from classroom.store.plain import text_of

RACES = 100  # attempts at a change that loses races: in each race one caller wins
DAY = ("campus", "batch", "subject", "date")  # what a batch's lessons of a day have in common
TOO_MANY_RACES = "too many changes at once in MongoDB"


def _has_code(code: str) -> Document:
    return {"$or": [{"live_codes": code}, {"past_codes.code": code}]}


class Sessions(MongoConnection):
    @asks
    async def create_session(
        self, session: Session, sheets: Sequence[Sheet], code: str | None, valid_until: datetime
    ) -> bool:
        # The session's document makes the rest valid: it claims the lessons and the code at once, after the sheets.
        marks, mine = self.collection("marks"), {"session": session.id}
        if sheets:
            await marks.insert_many([documents.sheet_document(sheet, session.opened_at) for sheet in sheets])
        document = {**documents.document_of(session), "revision": 0}
        if sheets:
            document["lessons"] = [documents.lesson_of(sheet) for sheet in sheets]
        codes = [{"code": code, "valid_until": text_of(valid_until)}] if code is not None else []
        document = documents.with_codes(document, codes)

        async def insert() -> Session:
            try:
                await self.collection("sessions").insert_one(document)
            except DuplicateKeyError:
                await self._ensure_unopened(sheets)
                raise
            return session

        try:
            kept = await self._with_code(code, session.opened_at, insert) is not None
        except SessionExists:
            await marks.delete_many(mine)
            raise
        if kept:
            await marks.update_many(mine, {"$unset": {"draft_since": ""}})
        else:
            await marks.delete_many(mine)
        return kept

    @asks
    async def session_by_code(self, code: str, now: datetime) -> Session | None:
        async for document in self.collection("sessions").find(_has_code(code) | {"cancelled": False}):
            ended, at = document["ended_at"], text_of(now)
            known = [*document.get("codes", []), *document.get("past_codes", [])]
            good = any(each["code"] == code and each["valid_until"] >= at for each in known)
            if good and document["opened_at"] <= at and (ended is None or ended >= at):
                return documents.record_from(Session, document)
        return None

    @asks
    async def expired_code(self, code: str, student_id: str, now: datetime) -> Session | None:
        until, since = text_of(now), text_of(now - CODES_KEPT)
        which = {"_id": {"$in": await self._ids_with(student_id)}}
        async for document in self.collection("sessions").find(which | _has_code(code)):
            known = [*document.get("codes", []), *document.get("past_codes", [])]
            if any(each["code"] == code and since <= each["valid_until"] <= until for each in known):
                return documents.record_from(Session, document)
        return None

    @asks
    async def sessions_with(self, student_id: str, since: datetime) -> list[Session]:
        late = {"$gte": text_of(since)}
        which: Document = {"_id": {"$in": await self._ids_with(student_id)}}
        which["$or"] = [{"ended_at": late}, {"ended_at": None, "closes_at": late}]
        return await self.found(Session, which, "opened_at id")

    async def _ids_with(self, student_id: str) -> list[str]:
        found = self.collection("marks").find({"students": folded(student_id)}, ["session"])
        return [each["session"] async for each in found]

    @asks
    async def code(self, session_id: str, now: datetime) -> str | None:
        document = await self.collection("sessions").find_one({"_id": session_id})
        good = documents.good_codes(document, now) if document is not None else []
        return good[-1]["code"] if good else None

    @asks
    async def add_code(
        self, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
    ) -> bool:

        def add(document: Document) -> Document | None:
            good, until = documents.good_codes(document, now), text_of(old_until)
            if document["ended_at"] is not None or any(each["code"] == code for each in good):
                return None
            old = [each | {"valid_until": min(each["valid_until"], until)} for each in good]
            return documents.with_codes(document, [*old, {"code": code, "valid_until": text_of(valid_until)}])

        return await self._with_code(code, now, lambda: self._change(session_id, add)) is not None

    @asks
    async def extend(self, session_id: str, closes_at: datetime) -> Session | None:

        def extend(document: Document) -> Document | None:
            if document["ended_at"] is not None:
                return None
            changed, codes = document | {"closes_at": text_of(closes_at)}, document.get("codes", [])
            if document["rotate_seconds"] == 0 and codes:
                changed = documents.with_codes(changed, [*codes[:-1], codes[-1] | {"valid_until": text_of(closes_at)}])
            return changed

        return await self._change(session_id, extend)

    @asks
    async def end_session(self, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
        kept = await self.found(Sheet, {"session": session_id, "in_lms": True}) if cancelled else []
        lessons = [documents.lesson_of(sheet) for sheet in kept]

        def end(document: Document) -> Document | None:
            if document["ended_at"] is not None:
                return None
            until = text_of(at)
            over = [each | {"valid_until": min(each["valid_until"], until)} for each in document.get("codes", [])]
            ended = documents.with_codes(document | {"ended_at": until, "cancelled": cancelled, "codes": over}, [])
            if cancelled:
                ended["place"] = None
                ended["lessons"] = [each for each in document.get("lessons", []) if each in lessons]
            if not ended.get("lessons"):
                ended.pop("lessons", None)
            return ended

        # before and after: what is written in between still has the marks, and a crash may come in between
        if cancelled:
            await self._owe_others(session_id)
        ended = await self._change(session_id, end)
        if cancelled:
            await self._owe_others(session_id)
        return ended

    async def _owe_others(self, session_id: str) -> None:
        """Have what the LMS has of the other lessons of a session's batches on its day written anew."""
        marks, known = self.collection("marks"), {"$or": [{"version": {"$gt": 0}}, {"acked_version": {"$gte": 0}}]}
        async for each in marks.find({"session": session_id}, list(DAY)):
            others = {name: each[name] for name in DAY} | {
                "session": {"$ne": session_id},
                "lms_record": {"$ne": "none"},
            }
            await marks.update_many(others | known, {"$inc": {"version": 1}, "$set": {"owed": True}})

    @asks
    async def reopen(self, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:

        def reopen(document: Document) -> Document | None:
            if document["ended_at"] is None or document["cancelled"] or document["without_phones"]:
                return None
            changed = dict.fromkeys(("ended_at", "reported_at", "final_at"))
            changed |= {"closes_at": text_of(closes_at), "reopened_at": text_of(now)}
            until = code_ends(documents.record_from(Session, document | changed), now)
            return documents.with_codes(document | changed, [{"code": code, "valid_until": text_of(until)}])

        return await self._with_code(code, now, lambda: self._change(session_id, reopen))

    @asks
    async def attended(self, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        ended = {"_id": {"$in": await self._ids_with(student_id)}, "ended_at": {"$ne": None}, "cancelled": False}
        sessions = await self.found(Session, ended, "-date -opened_at id", limit)
        sheets: dict[str, list[Sheet]] = {session.id: [] for session in sessions}
        mine = {"students": folded(student_id), "session": {"$in": list(sheets)}}
        for sheet in await self.found(Sheet, mine, "batch"):
            sheets[sheet.session].append(sheet)
        return [(session, mark_of(sheets[session.id], student_id)) for session in sessions]

    @asks
    async def clean(self, now: datetime, keep_since: datetime) -> int:
        hour_ago, old = now - TRIES_KEPT, text_of(keep_since)
        sessions, sheets = self.collection("sessions"), self.collection("marks")
        count = (await self.collection("attempts").delete_many({"at": {"$lt": hour_ago}})).deleted_count
        count += (await self.collection("bindings").delete_many({"undone.at": {"$lt": old}})).deleted_count
        count += (await self.collection("used_notes").delete_many({"at": {"$lt": old}})).deleted_count
        over = {"opened_at": {"$lt": old}, "$or": [{"final_at": {"$ne": None}}, {"cancelled": True}]}
        ids = [each["_id"] async for each in sessions.find(over, ["_id"])]
        beside = await self._beside_younger(ids, old)
        ids = [each for each in ids if each not in beside]
        if ids:  # the session last, so that a call that was interrupted leaves nothing behind
            await sheets.delete_many({"session": {"$in": ids}})
            for name in ("check_ins", "corrections"):
                await self.collection(name).delete_many({"session": {"$in": ids}})
            count += (await sessions.delete_many({"_id": {"$in": ids}})).deleted_count
        return count + await self._clean_drafts(text_of(hour_ago))

    async def _beside_younger(self, session_ids: list[str], until: str) -> set[str]:
        """Return those of some sessions that have a lesson of a day in common with one that stays: as in SQLite."""
        lessons: dict[tuple[str, ...], set[str]] = {}
        found: Document = {"session": {"$in": session_ids}}
        async for each in self.collection("marks").find(found, [*DAY, "session"]):
            lessons.setdefault(tuple(each[name] for name in DAY), set()).add(each["session"])
        found = {"date": {"$in": list({key[-1] for key in lessons})}, "session": {"$nin": session_ids}}
        others = [each async for each in self.collection("marks").find(found, [*DAY, "session"])]
        stays: Document = {"$or": [{"opened_at": {"$gte": until}}, {"final_at": None, "cancelled": False}]}
        stays["_id"] = {"$in": [each["session"] for each in others]}
        young = {each["_id"] async for each in self.collection("sessions").find(stays, ["_id"])}
        keys = [tuple(each[name] for name in DAY) for each in others if each["session"] in young]
        return set().union(*(lessons.get(key, set()) for key in keys))

    async def _ensure_unopened(self, sheets: Sequence[Sheet]) -> None:
        lessons = {documents.lesson_of(sheet): sheet.batch for sheet in sheets}
        async for other in self.collection("sessions").find({"lessons": {"$in": list(lessons)}}):
            batch = next(batch for lesson, batch in lessons.items() if lesson in other["lessons"])
            raise SessionExists(other["_id"], batch) from None

    async def _release(self, code: str, now: datetime) -> bool:
        """Remove a code that is over from the session that holds it; False: the code is still valid."""
        holder = await self.collection("sessions").find_one({"live_codes": code})
        if holder is None:
            return True

        def drop(document: Document) -> Document | None:
            codes = documents.good_codes(document, now)
            return None if any(each["code"] == code for each in codes) else documents.with_codes(document, codes)

        return await self._change(holder["_id"], drop) is not None

    async def _change(self, session_id: str, change: Callable[[Document], Document | None]) -> Session | None:
        """Change a session's document by compare-and-swap of its revision; None where there is nothing to change."""
        for _ in range(RACES):
            document = await self.collection("sessions").find_one({"_id": session_id})
            changed = change(document) if document is not None else None
            if document is None or changed is None:
                return None
            revision = document["revision"]
            key = {"_id": session_id, "revision": revision}
            written = await self.collection("sessions").replace_one(key, {**changed, "revision": revision + 1})
            if written.matched_count:
                return documents.record_from(Session, changed)
        raise StoreUnavailable(TOO_MANY_RACES)

    async def _with_code(
        self, code: str | None, now: datetime, change: Callable[[], Awaitable[Session | None]]
    ) -> Session | None:
        """Make a change that gives a session this code; None also where another live session has the code."""
        for _ in range(RACES):
            try:
                return await change()
            except DuplicateKeyError:
                if code is not None and not await self._release(code, now):
                    return None
        raise StoreUnavailable(TOO_MANY_RACES)

    async def _clean_drafts(self, until: str) -> int:
        """Delete the sheets whose session was never stored: the process or MongoDB stopped in between."""
        sheets, old = self.collection("marks"), {"draft_since": {"$lt": until}}
        drafts = {each["session"] async for each in sheets.find(old, ["session"])}
        if not drafts:
            return 0
        stored = await self.known(drafts)
        await sheets.update_many({"session": {"$in": list(stored)}}, {"$unset": {"draft_since": ""}})
        return (await sheets.delete_many({"session": {"$in": list(drafts - stored)}, **old})).deleted_count

    async def known(self, session_ids: Collection[str]) -> set[str]:
        found = self.collection("sessions").find({"_id": {"$in": list(session_ids)}}, ["_id"])
        return {each["_id"] async for each in found}
