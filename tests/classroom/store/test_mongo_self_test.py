"""The start refuses a server that lacks what the store relies on; each server here lacks one thing."""

from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError, OperationFailure

from classroom.store import StoreRefused
from classroom.store.mongo_self_test import require_guarantees


class Server:
    """A database that keeps documents in memory, without the guarantees in ``lacks``."""

    def __init__(self, *lacks: str) -> None:
        self.lacks = lacks
        self.documents: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> "Collection":
        return Collection(self)


class Collection:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def create_indexes(self, _indexes: object) -> None:
        if "index" in self._server.lacks:
            raise OperationFailure("no", 67)

    async def insert_many(self, documents: list[dict[str, Any]]) -> None:
        self._server.documents |= {each["_id"]: each for each in documents}

    async def update_one(self, which: dict[str, Any], change: dict[str, Any]) -> Any:
        found = self._server.documents[which["_id"]]
        if "$push" in change:
            if "unique" not in self._server.lacks:
                raise DuplicateKeyError("values")
            return SimpleNamespace(modified_count=1)
        if which["turn"] != found["turn"] and "conditional" not in self._server.lacks:
            return SimpleNamespace(modified_count=0)
        found |= change["$set"]
        return SimpleNamespace(modified_count=1)

    async def delete_many(self, which: dict[str, Any]) -> None:
        for name in which["_id"]["$in"]:
            self._server.documents.pop(name, None)

    async def list_indexes(self) -> "Indexes":
        return Indexes([{"key": {"at": 1}} | ({} if "ttl" in self._server.lacks else {"expireAfterSeconds": 60})])


class Indexes:
    def __init__(self, found: list[dict[str, Any]]) -> None:
        self._found = found

    async def to_list(self) -> list[dict[str, Any]]:
        return self._found


async def test_nothing_missing() -> None:
    """A server with everything is accepted, and nothing stays in it."""
    server = Server()
    await require_guarantees(server)  # type: ignore[arg-type]
    assert server.documents == {}


@pytest.mark.parametrize(
    ("lacks", "named"),
    [
        (("unique",), "lacks unique indexes over arrays;"),
        (("conditional",), "lacks conditional updates of which one wins;"),
        (("ttl",), r"lacks indexes that delete old documents \(TTL\);"),
        (("index",), "lacks sparse unique indexes;"),
        (("unique", "ttl"), r"lacks unique indexes over arrays, indexes that delete old documents \(TTL\);"),
    ],
)
async def test_missing(lacks: tuple[str, ...], named: str) -> None:
    """What is missing is named in one line, all of it at once, and nothing stays in the server."""
    server = Server(*lacks)
    with pytest.raises(StoreRefused, match=named):
        await require_guarantees(server)  # type: ignore[arg-type]
    assert server.documents == {}
