"""Check-ins and faces in MongoDB. Each public function is the method of ``Store`` with its name."""

from collections.abc import Collection
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from classroom.domain.sessions import CheckIn, CheckInStep, Consent, Template
from classroom.store.documents import (
    check_in_document,
    check_in_from,
    check_in_id,
    consent_document,
    consent_from,
    template_document,
    template_from,
)
from classroom.store.mongo_connection import RACES, MongoConnection, asks, put, too_many_races
from classroom.store.plain import owner_hash, text_of


@asks
async def begin_check_in(store: MongoConnection, check_in: CheckIn) -> CheckIn:
    for _ in range(RACES):
        try:
            await store.collection("check_ins").insert_one(check_in_document(check_in))
        except DuplicateKeyError:
            existing = await _check_in(store, check_in.session, check_in.student_id)
            if existing is not None:  # else it was deleted meanwhile
                return existing
        else:
            return check_in
    raise too_many_races()


@asks
async def check_in(store: MongoConnection, session_id: str, student_id: str) -> CheckIn | None:
    return await _check_in(store, session_id, student_id)


@asks
async def check_ins(store: MongoConnection, session_id: str) -> list[CheckIn]:
    found = store.collection("check_ins").find({"session": session_id})
    return [check_in_from(each) async for each in found.sort([("code_at", ASCENDING), ("student_id", ASCENDING)])]


@asks
async def move_check_in(store: MongoConnection, check_in: CheckIn, when: Collection[CheckInStep]) -> bool:
    document = check_in_document(check_in)
    key = {"_id": document["_id"], "step": {"$in": [step.value for step in when]}}
    return (await store.collection("check_ins").replace_one(key, document)).matched_count == 1


@asks
async def latest_check_in(store: MongoConnection, telegram_id: int) -> CheckIn | None:
    newest = [("code_at", DESCENDING)]
    document = await store.collection("check_ins").find_one({"telegram_id": telegram_id}, sort=newest)
    return check_in_from(document) if document is not None else None


@asks
async def checking(store: MongoConnection) -> list[CheckIn]:
    found = store.collection("check_ins").find({"step": CheckInStep.CHECKING.value})
    return [check_in_from(each) async for each in found.sort([("face.sent_at", ASCENDING), ("_id", ASCENDING)])]


@asks
async def consent(store: MongoConnection, telegram_id: int) -> Consent | None:
    document = await store.collection("consents").find_one({"_id": telegram_id})
    return consent_from(document) if document is not None else None


@asks
async def set_consent(store: MongoConnection, consent: Consent) -> None:
    await put(store, "consents", consent_document(consent))


@asks
async def template(store: MongoConnection, student_id: str) -> Template | None:
    document = await store.collection("templates").find_one({"_id": student_id.casefold()})
    return template_from(document) if document is not None else None


@asks
async def save_template(store: MongoConnection, template: Template) -> None:
    await put(store, "templates", template_document(template))


@asks
async def remove_templates(store: MongoConnection, made_before: datetime) -> list[str]:
    before, templates = text_of(made_before), store.collection("templates")
    old = [each["_id"] async for each in templates.find({"made_at": {"$lt": before}}, ["_id"])]
    gone = []
    # one by one, so that exactly those that were deleted are returned
    for key in sorted(old):
        document = await templates.find_one_and_delete({"_id": key, "made_at": {"$lt": before}})
        if document is not None:
            gone.append(document["student_id"])
    await store.collection("consents").delete_many({"at": {"$lt": before}})
    return gone


@asks
async def claim_note(store: MongoConnection, fingerprint: str, owner: str, at: datetime) -> bool:
    notes, hashed = store.collection("used_notes"), owner_hash(owner)
    for _ in range(RACES):
        try:
            await notes.insert_one({"_id": fingerprint, "owner": hashed, "at": text_of(at)})
        except DuplicateKeyError:
            existing = await notes.find_one({"_id": fingerprint})
            if existing is not None:  # else it was deleted meanwhile
                return bool(existing["owner"] == hashed)
        else:
            return True
    raise too_many_races()


async def _check_in(store: MongoConnection, session_id: str, student_id: str) -> CheckIn | None:
    document = await store.collection("check_ins").find_one({"_id": check_in_id(session_id, student_id)})
    return check_in_from(document) if document is not None else None
