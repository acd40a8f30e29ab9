"""The classroom's store in MongoDB, for who has one: MONGODB_URI.

No transactions, so that a single server is enough. What must be decided at once stands in one document and is changed
by one conditional write: a session holds its lessons and its live codes (two unique indexes), a sheet its marks and
its versions. Where several documents belong to one change, the one that makes it count is written last, and what an
end in between left over is harmless and cleaned later.
"""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import (
    DuplicateKeyError,
)

from classroom.domain.sessions import (
    Binding,
    CheckIn,
    CheckInStep,
    Consent,
    Mark,
    Session,
    Sheet,
    Teacher,
    Template,
    code_ends,
)
from classroom.store import (
    TRIES_KEPT,
    BoundOtherwise,
    NoSuchSession,
    SessionExists,
    Tokens,
    WrongTries,
)
from classroom.store.documents import (
    Document,
    binding_document,
    binding_from,
    check_in_document,
    check_in_from,
    check_in_id,
    consent_document,
    consent_from,
    lesson_of,
    mark_document,
    mark_in,
    place_in,
    session_document,
    session_from,
    sheet_document,
    sheet_from,
    sheet_id,
    teacher_document,
    teacher_from,
    template_document,
    template_from,
    text_of,
    with_codes,
)
from classroom.store.face_checks import owner_hash
from classroom.store.mongo_connection import RACES, MongoConnection, asks, too_many_races


class MongoStore(MongoConnection):
    """A ``Store`` in a database of MongoDB, 4.4 or later."""

    # teachers

    @asks
    async def teacher(self, telegram_id: int) -> Teacher | None:
        """Return a teacher who has signed in."""
        document = await self._collection("teachers").find_one({"_id": telegram_id})
        return teacher_from(document) if document is not None else None

    @asks
    async def save_teacher(self, teacher: Teacher) -> None:
        """Keep a teacher, new or changed."""
        await self._put("teachers", teacher_document(teacher))

    @asks
    async def remove_teacher(self, telegram_id: int) -> None:
        """Forget a teacher and the tokens. Sessions stay."""
        await self._collection("jwt_tokens").delete_one({"_id": telegram_id})
        await self._collection("teachers").delete_one({"_id": telegram_id})

    @asks
    async def tokens(self, telegram_id: int) -> Tokens | None:
        """Return a teacher's tokens, decrypted."""
        document = await self._collection("jwt_tokens").find_one({"_id": telegram_id})
        return Tokens(*json.loads(self._cipher.decrypt(document["secrets"]))) if document is not None else None

    @asks
    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        """Keep a teacher's tokens, encrypted."""
        hidden = self._cipher.encrypt(json.dumps([tokens.access, tokens.refresh, tokens.password]))
        await self._put("jwt_tokens", {"_id": telegram_id, "secrets": hidden})

    async def _put(self, collection: str, document: Document) -> None:
        """Insert a document, or put it in the place of the one with its key."""
        for _ in range(RACES):
            try:
                await self._collection(collection).replace_one({"_id": document["_id"]}, document, upsert=True)
            except DuplicateKeyError:
                continue  # another has inserted it at the same moment
            return
        raise too_many_races()

    # sessions

    @asks
    async def create_session(self, session: Session, sheets: Sequence[Sheet], code: str, valid_until: datetime) -> bool:
        """Keep a new session with its sheets and its first code; False where the code is another live one's.

        The session's document makes it count: it takes the lessons and the code at once, after the sheets are there.

        Raises:
            SessionExists: one of the batches has a session of this subject on this date already.
        """
        if sheets:
            await self._collection("marks").insert_many([sheet_document(sheet, session.opened_at) for sheet in sheets])
        document = session_document(session, [lesson_of(sheet) for sheet in sheets], code, valid_until)
        try:
            kept = await self._take(document, sheets, code, session.opened_at)
        except SessionExists:
            await self._collection("marks").delete_many({"session": session.id})
            raise
        if kept:
            await self._collection("marks").update_many({"session": session.id}, {"$unset": {"draft_since": ""}})
        else:
            await self._collection("marks").delete_many({"session": session.id})
        return kept

    async def _take(self, document: Document, sheets: Sequence[Sheet], code: str, now: datetime) -> bool:
        for _ in range(RACES):
            try:
                await self._collection("sessions").insert_one(document)
            except DuplicateKeyError:
                lessons = {lesson_of(sheet): sheet.batch for sheet in sheets}
                async for other in self._collection("sessions").find({"lessons": {"$in": list(lessons)}}):
                    batch = next(batch for lesson, batch in lessons.items() if lesson in other["lessons"])
                    raise SessionExists(other["_id"], batch) from None
                if not await self._release(code, now):
                    return False
            else:
                return True
        raise too_many_races()

    async def _release(self, code: str, now: datetime) -> bool:
        """Take a code from the session that has it where it is over; False: it is a live one."""
        holder = await self._collection("sessions").find_one({"live_codes": code})
        if holder is None:
            return True

        def drop(document: Document) -> Document | None:
            codes = _good(document, now)
            return None if any(each["code"] == code for each in codes) else with_codes(document, codes)

        return await self._change(holder["_id"], drop) is not None

    async def _change(self, session_id: str, change: Callable[[Document], Document | None]) -> Document | None:
        """Change a session's document as it is now, whoever else does; None where there is nothing to change."""
        for _ in range(RACES):
            document = await self._collection("sessions").find_one({"_id": session_id})
            changed = change(document) if document is not None else None
            if document is None or changed is None:
                return None
            revision = document["revision"]
            key = {"_id": session_id, "revision": revision}
            written = await self._collection("sessions").replace_one(key, {**changed, "revision": revision + 1})
            if written.matched_count:
                return changed
        raise too_many_races()

    async def _change_code(
        self, session_id: str, change: Callable[[Document], Document | None], code: str, now: datetime
    ) -> Document | None:
        """Change a session's document so that it has this code; None also where the code is another live one's."""
        for _ in range(RACES):
            try:
                return await self._change(session_id, change)
            except DuplicateKeyError:
                if not await self._release(code, now):
                    return None
        raise too_many_races()

    @asks
    async def session(self, session_id: str) -> Session | None:
        """Return a session."""
        document = await self._collection("sessions").find_one({"_id": session_id})
        return session_from(document) if document is not None else None

    @asks
    async def sessions_of(self, teacher: int, limit: int) -> list[Session]:
        """Return a teacher's sessions, newest first."""
        found = self._collection("sessions").find({"teacher": teacher})
        return [session_from(each) async for each in found.sort(NEWEST_FIRST).limit(limit)]

    @asks
    async def unfinished(self) -> list[Session]:
        """Return the sessions whose final report has not gone out, cancelled ones apart; oldest first."""
        found = self._collection("sessions").find({"final_at": None, "cancelled": False})
        return [session_from(each) async for each in found.sort([("opened_at", ASCENDING), ("_id", ASCENDING)])]

    @asks
    async def session_by_code(self, code: str, now: datetime) -> Session | None:
        """Return the session that this code was good for at that moment. See ``Store.session_by_code``."""
        either = {"$or": [{"live_codes": code}, {"past_codes.code": code}], "cancelled": False}
        async for document in self._collection("sessions").find(either):
            ended, at = document["ended_at"], text_of(now)
            known = [*document.get("codes", []), *document.get("past_codes", [])]
            good = any(each["code"] == code and each["valid_until"] >= at for each in known)
            if good and document["opened_at"] <= at and (ended is None or ended >= at):
                return session_from(document)
        return None

    @asks
    async def code(self, session_id: str, now: datetime) -> str | None:
        """Return the newest code of a session that is good now."""
        document = await self._collection("sessions").find_one({"_id": session_id})
        good = _good(document, now) if document is not None else []
        return good[-1]["code"] if good else None

    @asks
    async def add_code(
        self, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
    ) -> bool:
        """Give a session its next code; see ``Store.add_code``."""

        def add(document: Document) -> Document | None:
            good, until = _good(document, now), text_of(old_until)
            if document["ended_at"] is not None or any(each["code"] == code for each in good):
                return None
            old = [each | {"valid_until": min(each["valid_until"], until)} for each in good]
            return with_codes(document, [*old, {"code": code, "valid_until": text_of(valid_until)}])

        return await self._change_code(session_id, add, code, now) is not None

    @asks
    async def extend(self, session_id: str, closes_at: datetime) -> Session | None:
        """Move the end of an open session, and of its newest code where codes don't rotate; None: it has ended."""

        def extend(document: Document) -> Document | None:
            if document["ended_at"] is not None:
                return None
            changed, codes = document | {"closes_at": text_of(closes_at)}, document.get("codes", [])
            if document["rotate_seconds"] == 0 and codes:
                changed = with_codes(changed, [*codes[:-1], codes[-1] | {"valid_until": text_of(closes_at)}])
            return changed

        changed = await self._change(session_id, extend)
        return session_from(changed) if changed is not None else None

    @asks
    async def end_session(self, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
        """End a session and its codes; None where it had ended before. See ``Store.end_session``."""
        kept = self._collection("marks").find({"session": session_id, "in_lms": True}) if cancelled else None
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

        ended = await self._change(session_id, end)
        return session_from(ended) if ended is not None else None

    @asks
    async def reopen(self, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:
        """Open an ended session again, with a new code and reports to come; None: cancelled, or the code is taken."""

        def reopen(document: Document) -> Document | None:
            if document["ended_at"] is None or document["cancelled"]:
                return None
            changed = {"ended_at": None, "reported_at": None, "final_at": None, "closes_at": text_of(closes_at)}
            until = code_ends(session_from(document | changed), now)
            return with_codes(document | changed, [{"code": code, "valid_until": text_of(until)}])

        changed = await self._change_code(session_id, reopen, code, now)
        return session_from(changed) if changed is not None else None

    @asks
    async def set_reported(self, session_id: str, at: datetime, final: bool) -> bool:
        """Record that a report goes out; True for the first who says so of this kind since the last reopening."""
        field = "final_at" if final else "reported_at"

        def report(document: Document) -> Document | None:
            return document | {field: text_of(at)} if document[field] is None else None

        return await self._change(session_id, report) is not None

    # sheets

    @asks
    async def sheets(self, session_id: str) -> list[Sheet]:
        """Return a session's sheets, by batch."""
        found = self._collection("marks").find({"session": session_id})
        return [sheet_from(each) async for each in found.sort("batch", ASCENDING)]

    @asks
    async def sheet_of(self, session_id: str, student_id: str) -> Sheet | None:
        """Return the sheet of a session whose roster has this student ID (compared without case)."""
        document = await self._sheet_with(session_id, student_id)
        return sheet_from(document) if document is not None else None

    async def _sheet_with(self, session_id: str, student_id: str, *fields: str) -> Document | None:
        key = {"session": session_id, "students": student_id.casefold()}
        return await self._collection("marks").find_one(key, list(fields) or None, sort=[("batch", ASCENDING)])

    @asks
    async def mark(self, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        """Put a mark into the sheet that has the student, and raise its version, in one step.

        Raises:
            NoSuchSession: no roster of the session has the student.
        """
        sheet = await self._sheet_with(session_id, mark.student_id, "students")  # rosters don't change
        if sheet is None:
            raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
        field, said = f"marks.{place_in(sheet, mark.student_id)}", mark_document(mark)
        if overwrite:
            when: Document = {"$or": [{f"{field}.{name}": {"$ne": said[name]}} for name in ("status", "by", "reason")]}
        else:
            when = {field: {"$exists": False}}
        change = {"$set": {field: said, "owed": True}, "$inc": {"version": 1}}
        changed = await self._collection("marks").update_one({"_id": sheet["_id"], **when}, change)
        return changed.matched_count == 1

    @asks
    async def unacked(self) -> list[Sheet]:
        """Return the sheets that the LMS has not confirmed in their newest version; refused ones apart."""
        found = self._collection("marks").find({"owed": True, "refused": ""})
        owed = [each async for each in found.sort([("session", ASCENDING), ("batch", ASCENDING)])]
        if any("draft_since" in each for each in owed):  # of a session that is being opened, or never was
            known = await self._known({each["session"] for each in owed})
            owed = [each for each in owed if each["session"] in known]
        return [sheet_from(each) for each in owed]

    async def _known(self, session_ids: Collection[str]) -> set[str]:
        """Return which of these sessions are kept."""
        found = self._collection("sessions").find({"_id": {"$in": list(session_ids)}}, ["_id"])
        return {each["_id"] async for each in found}

    @asks
    async def acked(self, session_id: str, batch: str, version: int) -> None:
        """Record that the LMS has this version (never backwards) and so the record itself."""
        key, sheets = sheet_id(session_id, batch), self._collection("marks")
        change = {"$max": {"acked_version": version}, "$set": {"in_lms": True}}
        newest = {"_id": key, "version": {"$lte": version}}
        if not (await sheets.update_one(newest, change | {"$unset": {"owed": ""}})).matched_count:
            await sheets.update_one({"_id": key}, change)  # there are marks since; it stays owed

    @asks
    async def set_in_lms(self, session_id: str, batch: str) -> None:
        """Record that the LMS has a record with this key, of whatever version: from now on it is updated."""
        await self._set_in_sheet(session_id, batch, {"in_lms": True})

    @asks
    async def set_refused(self, session_id: str, batch: str, why: str) -> None:
        """Record the LMS's permanent refusal; an empty text lets the sheet be tried again."""
        await self._set_in_sheet(session_id, batch, {"refused": why})

    async def _set_in_sheet(self, session_id: str, batch: str, fields: Document) -> None:
        await self._collection("marks").update_one({"_id": sheet_id(session_id, batch)}, {"$set": fields})

    # check-ins

    @asks
    async def begin_check_in(self, check_in: CheckIn) -> CheckIn:
        """Keep a check-in, or return the one that this student has in this session already."""
        for _ in range(RACES):
            try:
                await self._collection("check_ins").insert_one(check_in_document(check_in))
            except DuplicateKeyError:
                there = await self._check_in(check_in.session, check_in.student_id)
                if there is not None:  # else it was deleted meanwhile
                    return there
            else:
                return check_in
        raise too_many_races()

    @asks
    async def check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        """Return a student's check-in."""
        return await self._check_in(session_id, student_id)

    async def _check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        document = await self._collection("check_ins").find_one({"_id": check_in_id(session_id, student_id)})
        return check_in_from(document) if document is not None else None

    @asks
    async def check_ins(self, session_id: str) -> list[CheckIn]:
        """Return a session's check-ins, oldest first."""
        found = self._collection("check_ins").find({"session": session_id})
        return [check_in_from(each) async for each in found.sort([("code_at", ASCENDING), ("student_id", ASCENDING)])]

    @asks
    async def move_check_in(self, check_in: CheckIn, when: Collection[CheckInStep]) -> bool:
        """Write a check-in where it is at one of these steps now; False where it is elsewhere: somebody was first."""
        document = check_in_document(check_in)
        key = {"_id": document["_id"], "step": {"$in": [step.value for step in when]}}
        return (await self._collection("check_ins").replace_one(key, document)).matched_count == 1

    @asks
    async def latest_check_in(self, telegram_id: int) -> CheckIn | None:
        """Return the newest check-in of a Telegram account."""
        newest = [("code_at", DESCENDING)]
        document = await self._collection("check_ins").find_one({"telegram_id": telegram_id}, sort=newest)
        return check_in_from(document) if document is not None else None

    @asks
    async def checking(self) -> list[CheckIn]:
        """Return the check-ins of all sessions whose video note is in the queue, the note that came first first."""
        found = self._collection("check_ins").find({"step": CheckInStep.CHECKING.value})
        return [check_in_from(each) async for each in found.sort([("face.sent_at", ASCENDING), ("_id", ASCENDING)])]

    # faces

    @asks
    async def consent(self, telegram_id: int) -> Consent | None:
        """Return what a person has said to the use of their face."""
        document = await self._collection("consents").find_one({"_id": telegram_id})
        return consent_from(document) if document is not None else None

    @asks
    async def set_consent(self, consent: Consent) -> None:
        """Keep what a person says now."""
        await self._put("consents", consent_document(consent))

    @asks
    async def template(self, student_id: str) -> Template | None:
        """Return a student's template."""
        document = await self._collection("templates").find_one({"_id": student_id.casefold()})
        return template_from(document) if document is not None else None

    @asks
    async def save_template(self, template: Template) -> None:
        """Keep a student's template, in the place of the one before."""
        await self._put("templates", template_document(template))

    @asks
    async def remove_templates(self, made_before: datetime) -> list[str]:
        """Delete the templates and the consents from before then; return whose templates, by ID.

        One by one, so that each that was deleted is named.
        """
        before, templates = text_of(made_before), self._collection("templates")
        old = [each["_id"] async for each in templates.find({"made_at": {"$lt": before}}, ["_id"])]
        gone = []
        for key in sorted(old):
            document = await templates.find_one_and_delete({"_id": key, "made_at": {"$lt": before}})
            if document is not None:
                gone.append(document["student_id"])
        await self._collection("consents").delete_many({"at": {"$lt": before}})
        return gone

    @asks
    async def claim_note(self, fingerprint: str, owner: str, at: datetime) -> bool:
        """Record that a recording was used, and for which check; False where another check has used it."""
        notes, hashed = self._collection("used_notes"), owner_hash(owner)
        for _ in range(RACES):
            try:
                await notes.insert_one({"_id": fingerprint, "owner": hashed, "at": text_of(at)})
            except DuplicateKeyError:
                there = await notes.find_one({"_id": fingerprint})
                if there is not None:  # else it was cleaned away meanwhile
                    return bool(there["owner"] == hashed)
            else:
                return True
        raise too_many_races()

    # who is who

    @asks
    async def binding_of(self, telegram_id: int) -> Binding | None:
        """Return the student ID of a Telegram account."""
        return await self._binding({"telegram_id": telegram_id, "folded": {"$exists": True}})

    @asks
    async def binding_for(self, student_id: str) -> Binding | None:
        """Return the Telegram account of a student ID (compared without case)."""
        return await self._binding({"folded": student_id.casefold(), "telegram_id": {"$exists": True}})

    @asks
    async def is_taken(self, student_id: str) -> bool:
        """Say whether a student ID is some account's. See ``Store.is_taken``."""
        return await self._collection("bindings").find_one({"folded": student_id.casefold()}) is not None

    async def _binding(self, which: Document) -> Binding | None:
        document = await self._collection("bindings").find_one(which)
        return binding_from(document) if document is not None else None

    @asks
    async def bind(self, binding: Binding) -> Binding:
        """Bind an account and a student ID, one to one; harmless where they are bound to each other.

        Raises:
            BoundOtherwise: one of the two is bound to something else, or was before its data were deleted.
        """
        document = binding_document(binding)
        either = {"$or": [{name: document[name]} for name in ("folded", "account")]}
        for _ in range(RACES):
            try:
                await self._collection("bindings").insert_one(dict(document))
            except DuplicateKeyError:
                there = [each async for each in self._collection("bindings").find(either)]
            else:
                return binding
            if any(
                (each["folded"], each.get("telegram_id")) != (document["folded"], binding.telegram_id) for each in there
            ):
                raise BoundOtherwise("the student ID or the account is bound otherwise")
            if there:  # else it was undone meanwhile
                return binding_from(there[0])
        raise too_many_races()

    @asks
    async def unbind(self, student_id: str, by: int, at: datetime, reason: str) -> bool:
        """Undo a binding, on record (by whom, when, why); False where there was none."""
        undone = {"by": by, "at": text_of(at), "reason": reason}
        change = {"$set": {"undone": undone}, "$unset": {"folded": "", "account": ""}}
        return (
            await self._collection("bindings").find_one_and_update({"folded": student_id.casefold()}, change)
        ) is not None

    @asks
    async def forget_student(self, telegram_id: int) -> None:
        """Delete what is kept of a Telegram account. See ``Store.forget_student``.

        What says which student ID is the account's goes last, so that an end in between can be repeated.
        """
        ids: set[str] = set()
        for name in ("bindings", "check_ins"):
            found = self._collection(name).find({"telegram_id": telegram_id}, ["student_id"])
            ids |= {each["student_id"].casefold() async for each in found}
        # a template that somebody else needs is made anew
        await self._collection("templates").delete_many({"_id": {"$in": sorted(ids)}})
        await self._collection("consents").delete_one({"_id": telegram_id})
        await self._collection("check_ins").delete_many({"telegram_id": telegram_id})
        await self._collection("bindings").update_many({"telegram_id": telegram_id}, {"$unset": {"telegram_id": ""}})

    # tries

    @asks
    async def add_wrong_try(self, telegram_id: int, student_id: str, at: datetime) -> None:
        """Keep a wrong code, or a wrong ID."""
        document = {"telegram_id": telegram_id, "folded": student_id.casefold(), "at": at}
        await self._collection("attempts").insert_one(document)

    @asks
    async def wrong_tries(self, telegram_id: int, student_id: str, since: datetime) -> WrongTries:
        """Count the wrong tries since then."""
        tries, later = self._collection("attempts"), {"$gt": since}
        by_account = await tries.count_documents({"telegram_id": telegram_id, "at": later})
        return WrongTries(by_account, await tries.count_documents({"folded": student_id.casefold(), "at": later}))

    @asks
    async def wrong_tries_in_session(self, session_id: str, since: datetime) -> int:
        """Count the wrong tries on a session's IDs, by accounts without a check-in there."""
        sheets = self._collection("marks").find({"session": session_id}, ["students"])
        folded = [student async for sheet in sheets for student in sheet["students"]]
        there = self._collection("check_ins").find({"session": session_id}, ["telegram_id"])
        accounts = [each["telegram_id"] async for each in there]
        which = {"folded": {"$in": folded}, "telegram_id": {"$nin": accounts}, "at": {"$gt": since}}
        return await self._collection("attempts").count_documents(which)

    # history and cleaning

    @asks
    async def history(self, teacher: int, since: str) -> list[tuple[Session, list[Sheet]]]:
        """Return a teacher's ended sessions since a date (YYYY-MM-DD), cancelled ones apart, newest first."""
        which = {"teacher": teacher, "date": {"$gte": since}, **ENDED}
        sessions = [session_from(each) async for each in self._collection("sessions").find(which).sort(NEWEST_FIRST)]
        sheets: dict[str, list[Sheet]] = {session.id: [] for session in sessions}
        found = self._collection("marks").find({"session": {"$in": list(sheets)}})
        async for each in found.sort("batch", ASCENDING):
            sheets[each["session"]].append(sheet_from(each))
        return [(session, sheets[session.id]) for session in sessions]

    @asks
    async def attended(self, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        """Return the ended sessions whose rosters have a student, newest first, with the mark."""
        student = {"students": student_id.casefold()}
        ids = [each["session"] async for each in self._collection("marks").find(student, ["session"])]
        found = self._collection("sessions").find({"_id": {"$in": ids}, **ENDED})
        sessions = [session_from(each) async for each in found.sort(NEWEST_FIRST).limit(limit)]
        marks: dict[str, Mark | None] = {}
        which = {**student, "session": {"$in": [session.id for session in sessions]}}
        async for each in self._collection("marks").find(which).sort("batch", DESCENDING):
            marks[each["session"]] = mark_in(each, student_id)  # of two batches the first, as for marking
        return [(session, marks.get(session.id)) for session in sessions]

    @asks
    async def clean(self, now: datetime, keep_since: datetime) -> int:
        """Delete what is over. See ``Store.clean``."""
        hour_ago, old = now - TRIES_KEPT, text_of(keep_since)
        sessions, sheets = self._collection("sessions"), self._collection("marks")
        count = (await self._collection("attempts").delete_many({"at": {"$lt": hour_ago}})).deleted_count
        count += (await self._collection("bindings").delete_many({"undone.at": {"$lt": old}})).deleted_count
        count += (await self._collection("used_notes").delete_many({"at": {"$lt": old}})).deleted_count
        over = {"opened_at": {"$lt": old}, "$or": [{"final_at": {"$ne": None}}, {"cancelled": True}]}
        ids = [each["_id"] async for each in sessions.find(over, ["_id"])]
        if ids:  # what belongs to a session goes before it, so that an end in between leaves nothing behind
            await sheets.delete_many({"session": {"$in": ids}})
            await self._collection("check_ins").delete_many({"session": {"$in": ids}})
            count += (await sessions.delete_many({"_id": {"$in": ids}})).deleted_count
        return count + await self._clean_drafts(text_of(hour_ago))

    async def _clean_drafts(self, until: str) -> int:
        """Delete the sheets whose session was never kept: the process or MongoDB ended in between."""
        sheets, old = self._collection("marks"), {"draft_since": {"$lt": until}}
        drafts = {each["session"] async for each in sheets.find(old, ["session"])}
        if not drafts:
            return 0
        known = await self._known(drafts)
        await sheets.update_many({"session": {"$in": list(known)}}, {"$unset": {"draft_since": ""}})
        return (await sheets.delete_many({"session": {"$in": list(drafts - known)}, **old})).deleted_count


NEWEST_FIRST = [("opened_at", DESCENDING), ("_id", ASCENDING)]
ENDED: Document = {"ended_at": {"$ne": None}, "cancelled": False}


def _good(document: Document, now: datetime) -> list[Document]:
    """Return a session's codes that are good now, the newest last."""
    return [each for each in document.get("codes", []) if each["valid_until"] >= text_of(now)]
