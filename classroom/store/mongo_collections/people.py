"""Teachers, bindings and wrong tries in MongoDB; for the methods see ``Store``."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from classroom.domain.sessions import folded
from classroom.store.mongo_connection import MongoConnection, asks
from classroom.store.plain import text_of


class People(MongoConnection):
    @asks
    async def remove_teacher(self, telegram_id: int) -> None:
        await self.collection("jwt_tokens").delete_one({"_id": telegram_id})
        await self.collection("teachers").delete_one({"_id": telegram_id})

    @asks
    async def move_teacher(self, old: int, new: int) -> None:
        for name in ("jwt_tokens", "teachers"):
            document = await self.collection(name).find_one({"_id": old})
            if document is not None:
                with suppress(DuplicateKeyError):  # the new account is signed in already
                    await self.collection(name).insert_one(document | {"_id": new})
            await self.collection(name).delete_one({"_id": old})
        for name in ("marks", "sessions"):
            await self.collection(name).update_many({"teacher": old}, {"$set": {"teacher": new}})

    @asks
    async def unbind(self, student_id: str, by: int, at: datetime, reason: str) -> bool:
        undone = {"by": by, "at": text_of(at), "reason": reason}
        change = {"$set": {"undone": undone}, "$unset": {"folded": "", "account": ""}}
        undoing = await self.collection("bindings").update_one({"folded": folded(student_id)}, change)
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
        # last, so that a call that was interrupted can be repeated
        await self.collection("bindings").update_many({"telegram_id": telegram_id}, {"$unset": {"telegram_id": ""}})

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
