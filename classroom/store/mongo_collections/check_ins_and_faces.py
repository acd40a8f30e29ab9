"""Check-ins and faces in MongoDB; for the methods see ``Store``."""

from collections.abc import Collection
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from classroom.domain.sessions import CheckIn, CheckInStep, Consent, Template, folded
from classroom.store import Correction, documents
from classroom.store.documents import Document
from classroom.store.mongo_connection import RACES, MongoConnection, asks, too_many_races
from classroom.store.plain import fields_of, owner_hash, text_of


class CheckInsAndFaces(MongoConnection):
    @asks
    async def begin_check_in(self, check_in: CheckIn) -> CheckIn:
        for _ in range(RACES):
            try:
                await self.collection("check_ins").insert_one(documents.check_in_document(check_in))
            except DuplicateKeyError:
                existing = await self._check_in(check_in.session, check_in.student_id)
                if existing is not None:  # else it was deleted meanwhile
                    return existing
            else:
                return check_in
        raise too_many_races()

    @asks
    async def check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        return await self._check_in(session_id, student_id)

    @asks
    async def check_ins(self, session_id: str) -> list[CheckIn]:
        order = [("code_at", ASCENDING), ("student_id", ASCENDING)]
        return await self.every("check_ins", documents.check_in_from, {"session": session_id}, order)

    @asks
    async def move_check_in(self, check_in: CheckIn, when: Collection[CheckInStep]) -> bool:
        document = documents.check_in_document(check_in)
        key = {"_id": document["_id"], "step": {"$in": [step.value for step in when]}}
        return (await self.collection("check_ins").replace_one(key, document)).matched_count == 1

    @asks
    async def set_asked(self, session_id: str, student_id: str, step: CheckInStep, at: datetime, waited: float) -> None:
        key = {"_id": documents.key_of(session_id, student_id), "step": step.value, "asked_at": None}
        change = {"$set": {"asked_at": text_of(at)}, "$inc": {"waited": waited}}
        await self.collection("check_ins").update_one(key, change)

    @asks
    async def latest_check_in(self, telegram_id: int) -> CheckIn | None:
        newest = [("code_at", DESCENDING), ("updated_at", DESCENDING)]
        return await self.first("check_ins", documents.check_in_from, {"telegram_id": telegram_id}, sort=newest)

    @asks
    async def checking(self) -> list[CheckIn]:
        order = [("face.sent_at", ASCENDING), ("_id", ASCENDING)]
        return await self.every("check_ins", documents.check_in_from, {"step": CheckInStep.CHECKING.value}, order)

    @asks
    async def consent(self, telegram_id: int) -> Consent | None:
        return await self.first("consents", documents.consent_from, {"_id": telegram_id})

    @asks
    async def set_consent(self, consent: Consent) -> None:
        await self.put("consents", documents.keyed(consent, "telegram_id"))

    @asks
    async def template(self, student_id: str) -> Template | None:
        return await self.first("templates", documents.template_from, {"_id": folded(student_id)})

    @asks
    async def save_template(self, template: Template) -> None:
        await self.put("templates", documents.template_document(template))

    @asks
    async def remove_template(self, student_id: str) -> None:
        await self.collection("templates").delete_one({"_id": folded(student_id)})

    @asks
    async def remove_templates(self, made_before: datetime) -> list[str]:
        before, templates = text_of(made_before), self.collection("templates")
        old = [each["_id"] async for each in templates.find({"made_at": {"$lt": before}}, ["_id"])]
        gone = []
        # one by one, so that exactly those that were deleted are returned
        for key in sorted(old):
            document = await templates.find_one_and_delete({"_id": key, "made_at": {"$lt": before}})
            if document is not None:
                gone.append(document["student_id"])
        await self.collection("consents").delete_many({"at": {"$lt": before}})
        return gone

    @asks
    async def claim_note(self, fingerprint: str, owner: str, at: datetime) -> bool:
        notes, hashed = self.collection("used_notes"), owner_hash(owner)
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

    @asks
    async def save_correction(self, correction: Correction) -> bool:
        key = documents.key_of(correction.session, folded(correction.student_id))
        new, stored = {"_id": key, **fields_of(correction)}, self.collection("corrections")
        if correction.accepted is not None:
            return (await stored.replace_one({"_id": key, "accepted": None}, new)).matched_count == 1
        try:
            await stored.insert_one(new)
        except DuplicateKeyError:
            return False
        return True

    @asks
    async def corrections(self, since: datetime, telegram_id: int | None = None) -> list[Correction]:
        which: Document = {"$or": [{name: {"$gte": text_of(since)}} for name in ("asked_at", "decided_at")]}
        if telegram_id is not None:
            which["telegram_id"] = telegram_id
        order = [("asked_at", ASCENDING), ("session", ASCENDING)]
        return await self.every("corrections", documents.correction_from, which, order)

    async def _check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        return await self.first("check_ins", documents.check_in_from, {"_id": documents.key_of(session_id, student_id)})
