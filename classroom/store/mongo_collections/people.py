"""Teachers, bindings and wrong tries in MongoDB; for the methods see ``Store``."""

from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from classroom.domain.code_attempts import WrongTry
from classroom.domain.sessions import Binding, Teacher, folded
from classroom.store import BoundOtherwise, Tokens
from classroom.store.documents import Document, binding_document, binding_from, keyed, teacher_from
from classroom.store.mongo_connection import RACES, MongoConnection, asks, too_many_races
from classroom.store.plain import open_tokens, seal_tokens, text_of


class People(MongoConnection):
    @asks
    async def teacher(self, telegram_id: int) -> Teacher | None:
        return await self.first("teachers", teacher_from, {"_id": telegram_id})

    @asks
    async def save_teacher(self, teacher: Teacher) -> None:
        await self.put("teachers", keyed(teacher, "telegram_id"))

    @asks
    async def remove_teacher(self, telegram_id: int) -> None:
        await self.collection("jwt_tokens").delete_one({"_id": telegram_id})
        await self.collection("teachers").delete_one({"_id": telegram_id})

    @asks
    async def move_teacher(self, old: int, new: int) -> None:
        for name in ("jwt_tokens", "teachers"):
            document = await self.collection(name).find_one({"_id": old})
            if document is not None and await self.collection(name).find_one({"_id": new}) is None:
                await self.put(name, document | {"_id": new})
            await self.collection(name).delete_one({"_id": old})
        for name in ("marks", "sessions"):
            await self.collection(name).update_many({"teacher": old}, {"$set": {"teacher": new}})

    @asks
    async def tokens(self, telegram_id: int) -> Tokens | None:
        document = await self.collection("jwt_tokens").find_one({"_id": telegram_id})
        return open_tokens(self.cipher, document["secrets"]) if document is not None else None

    @asks
    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        await self.put("jwt_tokens", {"_id": telegram_id, "secrets": seal_tokens(self.cipher, tokens)})

    @asks
    async def binding_of(self, telegram_id: int) -> Binding | None:
        return await self._binding({"telegram_id": telegram_id, "folded": {"$exists": True}})

    @asks
    async def binding_for(self, student_id: str) -> Binding | None:
        return await self._binding({"folded": folded(student_id), "telegram_id": {"$exists": True}})

    @asks
    async def is_taken(self, student_id: str) -> bool:
        return await self.collection("bindings").find_one({"folded": folded(student_id)}) is not None

    @asks
    async def bind(self, binding: Binding) -> Binding:
        document = binding_document(binding)
        either = {"$or": [{name: document[name]} for name in ("folded", "account")]}
        for _ in range(RACES):
            try:
                await self.collection("bindings").insert_one(dict(document))
            except DuplicateKeyError:
                existing = [each async for each in self.collection("bindings").find(either)]
            else:
                return binding
            if any(
                (each["folded"], each.get("telegram_id")) != (document["folded"], binding.telegram_id)
                for each in existing
            ):
                raise BoundOtherwise("the student ID or the account is bound otherwise")
            if existing:  # else it was undone meanwhile
                return binding_from(existing[0])
        raise too_many_races()

    @asks
    async def unbind(self, student_id: str, by: int, at: datetime, reason: str) -> bool:
        undone = {"by": by, "at": text_of(at), "reason": reason}
        change = {"$set": {"undone": undone}, "$unset": {"folded": "", "account": ""}}
        return (
            await self.collection("bindings").find_one_and_update({"folded": folded(student_id)}, change)
        ) is not None

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
    async def add_wrong_try(self, telegram_id: int, student_id: str, at: datetime) -> None:
        document = {"telegram_id": telegram_id, "folded": folded(student_id), "at": at}
        await self.collection("attempts").insert_one(document)

    @asks
    async def tries_of(self, telegram_id: int, since: datetime) -> list[WrongTry]:
        which = {"telegram_id": telegram_id, "at": {"$gt": since}}
        return await self.every("attempts", lambda each: WrongTry(each["folded"], each["at"]), which, "at")

    @asks
    async def tries_on(self, student_id: str, since: datetime) -> int:
        which = {"folded": folded(student_id), "at": {"$gt": since}}
        return await self.collection("attempts").count_documents(which)

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

    async def _binding(self, which: Document) -> Binding | None:
        return await self.first("bindings", binding_from, which)
