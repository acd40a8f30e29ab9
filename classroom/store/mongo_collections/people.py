"""Teachers, bindings and wrong tries in MongoDB. Each public function is the method of ``Store`` with its name."""

from datetime import datetime

from pymongo.errors import DuplicateKeyError

from classroom.domain.sessions import Binding, Teacher
from classroom.store import BoundOtherwise, Tokens, WrongTries
from classroom.store.documents import Document, binding_document, binding_from, teacher_document, teacher_from
from classroom.store.mongo_connection import RACES, MongoConnection, asks, put, too_many_races
from classroom.store.plain import open_tokens, seal_tokens, text_of


@asks
async def teacher(store: MongoConnection, telegram_id: int) -> Teacher | None:
    document = await store.collection("teachers").find_one({"_id": telegram_id})
    return teacher_from(document) if document is not None else None


@asks
async def save_teacher(store: MongoConnection, teacher: Teacher) -> None:
    await put(store, "teachers", teacher_document(teacher))


@asks
async def remove_teacher(store: MongoConnection, telegram_id: int) -> None:
    await store.collection("jwt_tokens").delete_one({"_id": telegram_id})
    await store.collection("teachers").delete_one({"_id": telegram_id})


@asks
async def tokens(store: MongoConnection, telegram_id: int) -> Tokens | None:
    document = await store.collection("jwt_tokens").find_one({"_id": telegram_id})
    return open_tokens(store.cipher, document["secrets"]) if document is not None else None


@asks
async def save_tokens(store: MongoConnection, telegram_id: int, tokens: Tokens) -> None:
    await put(store, "jwt_tokens", {"_id": telegram_id, "secrets": seal_tokens(store.cipher, tokens)})


@asks
async def binding_of(store: MongoConnection, telegram_id: int) -> Binding | None:
    return await _binding(store, {"telegram_id": telegram_id, "folded": {"$exists": True}})


@asks
async def binding_for(store: MongoConnection, student_id: str) -> Binding | None:
    return await _binding(store, {"folded": student_id.casefold(), "telegram_id": {"$exists": True}})


@asks
async def is_taken(store: MongoConnection, student_id: str) -> bool:
    return await store.collection("bindings").find_one({"folded": student_id.casefold()}) is not None


@asks
async def bind(store: MongoConnection, binding: Binding) -> Binding:
    document = binding_document(binding)
    either = {"$or": [{name: document[name]} for name in ("folded", "account")]}
    for _ in range(RACES):
        try:
            await store.collection("bindings").insert_one(dict(document))
        except DuplicateKeyError:
            existing = [each async for each in store.collection("bindings").find(either)]
        else:
            return binding
        if any(
            (each["folded"], each.get("telegram_id")) != (document["folded"], binding.telegram_id) for each in existing
        ):
            raise BoundOtherwise("the student ID or the account is bound otherwise")
        if existing:  # else it was undone meanwhile
            return binding_from(existing[0])
    raise too_many_races()


@asks
async def unbind(store: MongoConnection, student_id: str, by: int, at: datetime, reason: str) -> bool:
    undone = {"by": by, "at": text_of(at), "reason": reason}
    change = {"$set": {"undone": undone}, "$unset": {"folded": "", "account": ""}}
    return (
        await store.collection("bindings").find_one_and_update({"folded": student_id.casefold()}, change)
    ) is not None


@asks
async def forget_student(store: MongoConnection, telegram_id: int) -> None:
    ids: set[str] = set()
    for name in ("bindings", "check_ins"):
        found = store.collection(name).find({"telegram_id": telegram_id}, ["student_id"])
        ids |= {each["student_id"].casefold() async for each in found}
    # a template that another account needs is made again
    await store.collection("templates").delete_many({"_id": {"$in": sorted(ids)}})
    await store.collection("consents").delete_one({"_id": telegram_id})
    await store.collection("check_ins").delete_many({"telegram_id": telegram_id})
    # last, so that a call that was interrupted can be repeated
    await store.collection("bindings").update_many({"telegram_id": telegram_id}, {"$unset": {"telegram_id": ""}})


@asks
async def add_wrong_try(store: MongoConnection, telegram_id: int, student_id: str, at: datetime) -> None:
    document = {"telegram_id": telegram_id, "folded": student_id.casefold(), "at": at}
    await store.collection("attempts").insert_one(document)


@asks
async def wrong_tries(store: MongoConnection, telegram_id: int, student_id: str, since: datetime) -> WrongTries:
    tries, later = store.collection("attempts"), {"$gt": since}
    by_account = await tries.count_documents({"telegram_id": telegram_id, "at": later})
    return WrongTries(by_account, await tries.count_documents({"folded": student_id.casefold(), "at": later}))


@asks
async def wrong_tries_in_session(store: MongoConnection, session_id: str, since: datetime) -> int:
    sheets = store.collection("marks").find({"session": session_id}, ["students"])
    folded = [student async for sheet in sheets for student in sheet["students"]]
    checked_in = store.collection("check_ins").find({"session": session_id}, ["telegram_id"])
    accounts = [each["telegram_id"] async for each in checked_in]
    which = {"folded": {"$in": folded}, "telegram_id": {"$nin": accounts}, "at": {"$gt": since}}
    return await store.collection("attempts").count_documents(which)


async def _binding(store: MongoConnection, which: Document) -> Binding | None:
    document = await store.collection("bindings").find_one(which)
    return binding_from(document) if document is not None else None
