"""Sessions and their codes in MongoDB. Each public function is the method of ``Store`` with its name."""

from collections.abc import Callable, Sequence
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from classroom.domain.sessions import Session, Sheet, code_ends
from classroom.store import SessionExists
from classroom.store.documents import (
    Document,
    good_codes,
    lesson_of,
    session_document,
    session_from,
    sheet_document,
    sheet_from,
    with_codes,
)
from classroom.store.mongo_connection import RACES, MongoConnection, asks, too_many_races
from classroom.store.plain import text_of

NEWEST_FIRST = [("opened_at", DESCENDING), ("_id", ASCENDING)]
ENDED: Document = {"ended_at": {"$ne": None}, "cancelled": False}


@asks
async def create_session(
    store: MongoConnection, session: Session, sheets: Sequence[Sheet], code: str, valid_until: datetime
) -> bool:
    # The session's document makes the rest valid: it claims the lessons and the code at once, after the sheets exist.
    if sheets:
        await store.collection("marks").insert_many([sheet_document(sheet, session.opened_at) for sheet in sheets])
    document = session_document(session, [lesson_of(sheet) for sheet in sheets], code, valid_until)
    try:
        kept = await _take(store, document, sheets, code, session.opened_at)
    except SessionExists:
        await store.collection("marks").delete_many({"session": session.id})
        raise
    if kept:
        await store.collection("marks").update_many({"session": session.id}, {"$unset": {"draft_since": ""}})
    else:
        await store.collection("marks").delete_many({"session": session.id})
    return kept


@asks
async def session(store: MongoConnection, session_id: str) -> Session | None:
    document = await store.collection("sessions").find_one({"_id": session_id})
    return session_from(document) if document is not None else None


@asks
async def sessions_of(store: MongoConnection, teacher: int, limit: int) -> list[Session]:
    found = store.collection("sessions").find({"teacher": teacher})
    return [session_from(each) async for each in found.sort(NEWEST_FIRST).limit(limit)]


@asks
async def unfinished(store: MongoConnection) -> list[Session]:
    found = store.collection("sessions").find({"final_at": None, "cancelled": False})
    return [session_from(each) async for each in found.sort([("opened_at", ASCENDING), ("_id", ASCENDING)])]


@asks
async def session_by_code(store: MongoConnection, code: str, now: datetime) -> Session | None:
    either = {"$or": [{"live_codes": code}, {"past_codes.code": code}], "cancelled": False}
    async for document in store.collection("sessions").find(either):
        ended, at = document["ended_at"], text_of(now)
        known = [*document.get("codes", []), *document.get("past_codes", [])]
        good = any(each["code"] == code and each["valid_until"] >= at for each in known)
        if good and document["opened_at"] <= at and (ended is None or ended >= at):
            return session_from(document)
    return None


@asks
async def code(store: MongoConnection, session_id: str, now: datetime) -> str | None:
    document = await store.collection("sessions").find_one({"_id": session_id})
    good = good_codes(document, now) if document is not None else []
    return good[-1]["code"] if good else None


@asks
async def add_code(
    store: MongoConnection, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
) -> bool:

    def add(document: Document) -> Document | None:
        good, until = good_codes(document, now), text_of(old_until)
        if document["ended_at"] is not None or any(each["code"] == code for each in good):
            return None
        old = [each | {"valid_until": min(each["valid_until"], until)} for each in good]
        return with_codes(document, [*old, {"code": code, "valid_until": text_of(valid_until)}])

    return await _change_code(store, session_id, add, code, now) is not None


@asks
async def extend(store: MongoConnection, session_id: str, closes_at: datetime) -> Session | None:

    def extend(document: Document) -> Document | None:
        if document["ended_at"] is not None:
            return None
        changed, codes = document | {"closes_at": text_of(closes_at)}, document.get("codes", [])
        if document["rotate_seconds"] == 0 and codes:
            changed = with_codes(changed, [*codes[:-1], codes[-1] | {"valid_until": text_of(closes_at)}])
        return changed

    changed = await _change(store, session_id, extend)
    return session_from(changed) if changed is not None else None


@asks
async def end_session(store: MongoConnection, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
    kept = store.collection("marks").find({"session": session_id, "in_lms": True}) if cancelled else None
    lessons = {lesson_of(sheet_from(each)) async for each in kept} if kept is not None else set()

    def end(document: Document) -> Document | None:
        if document["ended_at"] is not None:
            return None
        until = text_of(at)
        over = [each | {"valid_until": min(each["valid_until"], until)} for each in document.get("codes", [])]
        ended = with_codes(document | {"ended_at": until, "cancelled": cancelled, "codes": over}, [])
        if cancelled:
            ended["lessons"] = [each for each in document.get("lessons", []) if each in lessons]
        if not ended.get("lessons"):
            ended.pop("lessons", None)
        return ended

    ended = await _change(store, session_id, end)
    return session_from(ended) if ended is not None else None


@asks
async def reopen(
    store: MongoConnection, session_id: str, code: str, closes_at: datetime, now: datetime
) -> Session | None:

    def reopen(document: Document) -> Document | None:
        if document["ended_at"] is None or document["cancelled"]:
            return None
        changed = {"ended_at": None, "reported_at": None, "final_at": None, "closes_at": text_of(closes_at)}
        until = code_ends(session_from(document | changed), now)
        return with_codes(document | changed, [{"code": code, "valid_until": text_of(until)}])

    changed = await _change_code(store, session_id, reopen, code, now)
    return session_from(changed) if changed is not None else None


@asks
async def set_reported(store: MongoConnection, session_id: str, at: datetime, final: bool) -> bool:
    field = "final_at" if final else "reported_at"

    def report(document: Document) -> Document | None:
        return document | {field: text_of(at)} if document[field] is None else None

    return await _change(store, session_id, report) is not None


async def _take(store: MongoConnection, document: Document, sheets: Sequence[Sheet], code: str, now: datetime) -> bool:
    for _ in range(RACES):
        try:
            await store.collection("sessions").insert_one(document)
        except DuplicateKeyError:
            lessons = {lesson_of(sheet): sheet.batch for sheet in sheets}
            async for other in store.collection("sessions").find({"lessons": {"$in": list(lessons)}}):
                batch = next(batch for lesson, batch in lessons.items() if lesson in other["lessons"])
                raise SessionExists(other["_id"], batch) from None
            if not await _release(store, code, now):
                return False
        else:
            return True
    raise too_many_races()


async def _release(store: MongoConnection, code: str, now: datetime) -> bool:
    """Remove a code that is over from the session that holds it; False: the code is still valid."""
    holder = await store.collection("sessions").find_one({"live_codes": code})
    if holder is None:
        return True

    def drop(document: Document) -> Document | None:
        codes = good_codes(document, now)
        return None if any(each["code"] == code for each in codes) else with_codes(document, codes)

    return await _change(store, holder["_id"], drop) is not None


async def _change(
    store: MongoConnection, session_id: str, change: Callable[[Document], Document | None]
) -> Document | None:
    """Change a session's document by compare-and-swap of its revision; None where there is nothing to change."""
    for _ in range(RACES):
        document = await store.collection("sessions").find_one({"_id": session_id})
        changed = change(document) if document is not None else None
        if document is None or changed is None:
            return None
        revision = document["revision"]
        key = {"_id": session_id, "revision": revision}
        written = await store.collection("sessions").replace_one(key, {**changed, "revision": revision + 1})
        if written.matched_count:
            return changed
    raise too_many_races()


async def _change_code(
    store: MongoConnection, session_id: str, change: Callable[[Document], Document | None], code: str, now: datetime
) -> Document | None:
    """Change a session's document so that it has this code; None also where another live session has the code."""
    for _ in range(RACES):
        try:
            return await _change(store, session_id, change)
        except DuplicateKeyError:
            if not await _release(store, code, now):
                return None
    raise too_many_races()
