"""Tries at start what the store relies on.

Servers that only speak MongoDB's protocol lack some of it, and would let two sessions have one code, or two accounts
one student ID, without any error.
"""

import asyncio
import secrets
from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure

from classroom.store import StoreRefused
from classroom.store.documents import Document

NAME = "self_test"  # a collection that is empty again after each start
WRITERS = 4
_CANNOT_CREATE_INDEX = 67


async def require_guarantees(database: AsyncDatabase[Document]) -> None:
    """Raise StoreRefused, naming what is missing. Raises PyMongoError where the server does not answer."""
    probe = database[NAME]
    one, other = (f"{part}-{secrets.token_hex(8)}" for part in ("one", "other"))
    missing: list[str] = []
    try:
        await probe.create_indexes([IndexModel([("values", 1)], unique=True, sparse=True)])
        await probe.insert_many([{"_id": one, "values": [one], "turn": 0}, {"_id": other, "values": [other]}])
        if not await _is_refused(probe, other, one):
            missing.append("unique indexes over arrays")
        claims = [probe.update_one({"_id": one, "turn": 0}, {"$set": {"turn": at}}) for at in range(1, WRITERS + 1)]
        if sum(each.modified_count for each in await asyncio.gather(*claims)) != 1:
            missing.append("conditional updates of which one wins")
    except OperationFailure as error:
        if error.code == _CANNOT_CREATE_INDEX:
            missing.append("sparse unique indexes")
        else:
            raise
    finally:
        await probe.delete_many({"_id": {"$in": [one, other]}})
    indexes = await (await database["attempts"].list_indexes()).to_list()
    if not any("expireAfterSeconds" in each for each in indexes):
        missing.append("indexes that delete old documents (TTL)")
    if missing:
        raise StoreRefused(f"MONGODB_URI: this server lacks {', '.join(missing)}; use MongoDB 4.4 or later")


async def _is_refused(probe: Any, document: str, value: str) -> bool:
    try:
        await probe.update_one({"_id": document}, {"$push": {"values": value}})
    except DuplicateKeyError:
        return True
    return False
