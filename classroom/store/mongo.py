"""The classroom's store in MongoDB, used where MONGODB_URI is set.

It uses no transactions, so that a single server is enough. What has to be decided at once is in one document and is
changed by one conditional write: a session holds its lessons and its live codes (two unique indexes), a sheet its marks
and its versions. Where a change spans several documents, the one that makes it valid is written last; what an
interruption leaves behind is harmless and deleted later.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING

from classroom.domain.sessions import Mark, Sheet, folded
from classroom.store import NoSuchSession, StoreUnavailable
from classroom.store.documents import Document, key_of, places_in, record_from
from classroom.store.mongo_connection import asks
from classroom.store.mongo_sessions import RACES, TOO_MANY_RACES, Sessions
from classroom.store.plain import fields_of, text_of
from classroom.store.records import alias_of, taken_hash

COMPARED = ("status", "by", "reason", "came_at")  # a mark that differs in none of these is no change


class MongoStore(Sessions):
    """A ``Store`` in a database of MongoDB, 4.4 or later."""

    # sheets and marks

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
    async def mark_all(self, session_id: str, marks: Collection[Mark], *, overwrite: bool) -> set[str]:
        by_id, changed = {folded(mark.student_id): mark for mark in marks}, set[str]()
        sheets = self.collection("marks").find({"session": session_id}, ["students"]).sort("batch")
        found = {sheet["_id"]: by_id.keys() & set(sheet["students"]) async for sheet in sheets}
        if unknown := by_id.keys() - set().union(*found.values()):
            raise NoSuchSession(f"session {session_id} has no student {by_id[min(unknown)].student_id}")
        for key, ids in found.items():
            if ids:
                changed |= await self._mark_sheet(key, [by_id[each] for each in ids], overwrite=overwrite)
        return changed

    async def _mark_sheet(self, key: str, marks: Sequence[Mark], *, overwrite: bool) -> set[str]:
        """Change a sheet's marks by compare-and-swap of its version, which every change of a mark increments."""
        for _ in range(RACES):
            sheet = await self.collection("marks").find_one({"_id": key}) or {"students": [], "version": 0}
            changes, changed = {}, set()
            for mark in marks:
                new = {name: value for name, value in fields_of(mark).items() if name != "student_id"}
                for at in places_in(sheet, mark.student_id):
                    before = sheet["marks"].get(str(at))
                    if before is None or (overwrite and any(before[name] != new[name] for name in COMPARED)):
                        changes[f"marks.{at}"] = new
                        changed.add(mark.student_id)
            if not changes:
                return set()
            change = {"$set": {**changes, "owed": True}, "$inc": {"version": 1}}
            unchanged = {"_id": key, "version": sheet["version"]}
            if (await self.collection("marks").update_one(unchanged, change)).matched_count:
                return changed
        raise StoreUnavailable(TOO_MANY_RACES)

    @asks
    async def unacked(self) -> list[Sheet]:
        found = self.collection("marks").find({"owed": True, "refused": "", "lms_record": {"$ne": "none"}})
        owed = [each async for each in found.sort([("session", ASCENDING), ("batch", ASCENDING)])]
        if any("draft_since" in each for each in owed):  # of a session that is being opened, or never was
            known = await self.known({each["session"] for each in owed})
            owed = [each for each in owed if each["session"] in known]
        return [record_from(Sheet, each) for each in owed]

    @asks
    async def acked(self, session_id: str, batch: str, version: int) -> None:
        key, sheets = key_of(session_id, batch), self.collection("marks")
        change = {"$max": {"acked_version": version}, "$set": {"in_lms": True}}
        newest = {"_id": key, "version": {"$lte": version}}
        if not (await sheets.update_one(newest, change | {"$unset": {"owed": ""}})).matched_count:
            await sheets.update_one({"_id": key}, change)  # there are newer marks: it stays owed

    # bindings and wrong tries

    @asks
    async def unbind(self, student_id: str, by: int, at: datetime, reason: str) -> bool:
        undone = {"by": by, "at": text_of(at), "reason": reason}
        change = {"$set": {"undone": undone}, "$unset": {"folded": "", "account": "", "taken": ""}}
        either = {"folded": folded(student_id)}, {"taken": taken_hash(student_id, self.cipher.digest)}
        undoing = await self.collection("bindings").update_one({"$or": either}, change)
        return undoing.matched_count == 1

    @asks
    async def kept_of(self, telegram_id: int) -> dict[str, list[dict[str, Any]]]:
        keys = dict.fromkeys(("bindings", "check_ins", "corrections", "attempts"), "telegram_id") | {"consents": "_id"}
        found = {name: self.collection(name).find({key: telegram_id}, {"_id": False}) for name, key in keys.items()}
        return {name: [each async for each in cursor] for name, cursor in found.items()}

    @asks
    async def forget_student(self, telegram_id: int) -> None:
        ids: set[str] = set()
        for name in ("bindings", "check_ins"):
            found = self.collection(name).find({"telegram_id": telegram_id}, ["student_id"])
            ids |= {folded(each["student_id"]) async for each in found}
        # a template that another account needs is made again
        await self.collection("templates").delete_many({"_id": {"$in": sorted(ids)}})
        await self.collection("consents").delete_one({"_id": telegram_id})
        for name in ("check_ins", "corrections"):
            await self.collection(name).delete_many({"telegram_id": telegram_id})
        await self.collection("check_ins").update_many({}, {"$pull": {"rivals": {"telegram_id": telegram_id}}})
        alias, bindings = alias_of(telegram_id, self.cipher.digest), self.collection("bindings")
        await self.collection("attempts").update_many({"telegram_id": telegram_id}, {"$set": {"telegram_id": alias}})
        # last, so that a call that was interrupted can be repeated
        async for each in bindings.find({"telegram_id": telegram_id}):
            taken = taken_hash(each["student_id"], self.cipher.digest)
            kept = {"student_id": taken} | ({"folded": taken} if "folded" in each else {})
            await bindings.update_one({"_id": each["_id"]}, {"$set": kept, "$unset": {"telegram_id": ""}})

    @asks
    async def tries_in_session(self, session_id: str, since: datetime, *, bound: bool) -> int:
        sheets = self.collection("marks").find({"session": session_id}, ["students"])
        ids = [student async for sheet in sheets for student in sheet["students"]]
        checked_in = self.collection("check_ins").find({"session": session_id}, ["telegram_id"])
        accounts = [each["telegram_id"] async for each in checked_in]
        which = {"folded": {"$in": ids}, "telegram_id": {"$nin": accounts}, "at": {"$gt": since}}
        tries = [(each["telegram_id"], each["folded"]) async for each in self.collection("attempts").find(which)]
        before = {"telegram_id": {"$in": [person for person, _id in tries]}, "bound_at": {"$lt": text_of(since)}}
        bindings = self.collection("bindings").find(before | {"folded": {"$exists": True}})
        owns = {each["telegram_id"]: each["folded"] async for each in bindings}
        return sum(owns.get(person) == (student if bound else None) for person, student in tries)
