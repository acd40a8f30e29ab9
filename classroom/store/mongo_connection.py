"""The connection to MongoDB: time limits, typed errors, schema version."""

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from bson.errors import BSONError
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from classroom.domain.sessions import Session
from classroom.store import Store, StoreDamaged, StoreError, StoreRefused, StoreUnavailable
from classroom.store.documents import (
    INDEXES,
    NOT_ASCII,
    Document,
    collection_of,
    conditions,
    document_of,
    record_from,
    sorting,
    stored,
)
from classroom.store.mongo_migrations import MIGRATIONS, Migration
from classroom.store.mongo_self_test import require_guarantees
from classroom.store.records import taken_hash
from core.encryption import Cipher

P = ParamSpec("P")
Connection = TypeVar("Connection", bound="MongoConnection")
Kind = TypeVar("Kind")
Result = TypeVar("Result")

TURNS = 10  # concurrent calls: more make a small MongoDB slower, not faster
PATIENCE = 5.0  # seconds for an answer of MongoDB; a person waits for it

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
REFUSED = {13, 18, 33, 8000}  # Unauthorized, AuthenticationFailed, UnsupportedFormat, a hosted service's refusal
# disk full, stepping down, shutting down
PASSING = {14031, 64, 91, 100, 112, 133, 189, 262, 10107, 11600, 11602, 13435, 13436}
DNS_IS_DOWN = {"LifetimeTimeout", "NoNameservers"}  # of dnspython, for mongodb+srv://


def asks(
    method: Callable[Concatenate[Connection, P], Awaitable[Result]],
) -> Callable[Concatenate[Connection, P], Coroutine[Any, Any, Result]]:
    """Run a method when it is its turn, and convert MongoDB's errors to the store's.

    When a whole class checks in at once, its calls wait here, and not against MongoDB's own time limit. If MongoDB
    turns out to be gone, all waiting calls fail together, not one time limit after the other.
    """

    @wraps(method)
    async def ask(store: Connection, /, *arguments: P.args, **options: P.kwargs) -> Result:
        came = time.monotonic()
        async with store._turns:
            if store._gone_at is not None and store._gone_at >= came:
                raise StoreUnavailable("MongoDB did not answer earlier calls")
            try:
                return await method(store, *arguments, **options)
            except (PyMongoError, BSONError) as error:
                typed = as_store_error(error)
                if isinstance(typed, StoreUnavailable):
                    store._gone_at = time.monotonic()
                raise typed from error

    return ask


def as_store_error(error: PyMongoError | BSONError) -> StoreError:
    """Convert an error to the store's. Its text has no addresses and nothing of the documents."""
    name = type(error).__name__
    if isinstance(error, BSONError):
        return StoreDamaged(f"a document can't be written to MongoDB, or read ({name})")
    if error.timeout or isinstance(error, ConnectionFailure | CursorNotFound | InvalidOperation | WriteConcernError):
        return StoreUnavailable(f"MongoDB does not answer, or can't confirm a write ({name})")
    if type(error.__context__).__name__ in DNS_IS_DOWN:
        return StoreUnavailable(f"MongoDB's host name can't be looked up now ({type(error.__context__).__name__})")
    code = error.code if isinstance(error, OperationFailure) else None
    if code in REFUSED or isinstance(error, ConfigurationError):
        return StoreRefused(f"MongoDB refuses the sign-in, or is too old (MONGODB_URI; {name}, code {code})")
    if code in PASSING or error.has_error_label("RetryableWriteError"):
        return StoreUnavailable(f"MongoDB can't do it now ({name}, code {code})")
    return StoreDamaged(f"MongoDB can't do what this program needs ({name}, code {code})")


class MongoConnection(Store):
    """The record operations of ``Store`` in a database of MongoDB, 4.4 or later.

    ``uri`` may hold a password; ``cipher`` encrypts passwords and tokens. ``patience`` is in seconds: each method has
    reached MongoDB, or raises StoreUnavailable, after about this long.
    """

    def __init__(
        self,
        uri: str,
        database: str,
        cipher: Cipher,
        *,
        patience: float = PATIENCE,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        self._uri = uri
        self._name = database
        self.cipher = cipher
        self._patience = patience
        self._migrations = migrations
        self._client: AsyncMongoClient[Document] | None = None
        self._turns = asyncio.Semaphore(TURNS)
        self._gone_at: float | None = None  # the last time it did not answer; monotonic

    @asks
    async def open(self) -> None:
        """Connect, create the indexes, migrate the documents. Raises EncryptionKeyError: no key decrypts the tokens."""
        if self._client is None:
            self._client = self._connect()
        version = await self._version()
        for name, indexes in INDEXES.items():
            await self.collection(name).create_indexes(indexes)
        await require_guarantees(self._database)
        schema = self.collection("schema")
        for number, migrate in enumerate(self._migrations[version - 1 :], version):
            await migrate(self._database)
            await schema.update_one({"_id": "classroom", "version": number}, {"$set": {"version": number + 1}})
        await self._key_hashes()
        async for document in self.collection("jwt_tokens").find():
            self.cipher.decrypt(document["secrets"])

    async def _key_hashes(self) -> None:
        """Give the key to hashes that an older version stored without one; may be repeated."""
        bindings, notes = self.collection("bindings"), self.collection("used_notes")
        async for each in bindings.find({"taken": {"$exists": False}, "account": {"$exists": True}}):
            taken = taken_hash(each["student_id"], self.cipher.digest)
            changes = {"account": self.cipher.digest(each["account"]), "taken": taken}
            changes |= {} if "telegram_id" in each else {"folded": taken, "student_id": taken}
            await bindings.update_one({"_id": each["_id"]}, {"$set": changes})
        bound = {"taken": {"$exists": True}, "telegram_id": {"$exists": True}, "student_id": NOT_ASCII}
        async for each in bindings.find(bound, ["student_id"]):  # of an ID that is folded in another way now
            taken = taken_hash(each["student_id"], self.cipher.digest)
            with suppress(DuplicateKeyError):
                await bindings.update_one({"_id": each["_id"]}, {"$set": {"taken": taken}})
        async for each in notes.find({"owner": {"$regex": "^.{32}$"}}, ["owner"]):
            keyed = {"owner": self.cipher.digest(each["owner"])}
            await notes.update_one({"_id": each["_id"]}, {"$set": keyed})

    def _connect(self) -> AsyncMongoClient[Document]:
        limits: dict[str, Any] = dict.fromkeys(("connectTimeoutMS", "timeoutMS"), int(self._patience * 1000))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # a mistyped option may be "tls"
                return AsyncMongoClient(self._uri, appname="attendance", tz_aware=True, maxPoolSize=TURNS, **limits)
        except (PyMongoError, ValueError, TypeError, UserWarning):  # the cause would carry the password
            raise StoreRefused("MONGODB_URI: got a value that is not shown here, wants mongodb://...") from None

    async def _version(self) -> int:
        """Return the schema version; a new database gets the newest."""
        newest, schema = 1 + len(self._migrations), self.collection("schema")
        try:
            await schema.insert_one({"_id": "classroom", "version": newest})
        except DuplicateKeyError:
            document = await schema.find_one({"_id": "classroom"})
            version = document.get("version") if document is not None else None
            if not isinstance(version, int) or not 1 <= version <= newest:
                raise StoreDamaged(
                    f"the classroom's MongoDB has schema version {version}; this program knows 1 to {newest}"
                ) from None
            return version
        return newest

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @property
    def _database(self) -> AsyncDatabase[Document]:
        if self._client is None:
            raise StoreUnavailable("the classroom's store is closed")
        # An acknowledged write is on disk and on a majority of the servers; reads come from the server that writes.
        return self._client.get_database(
            self._name, read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern("majority", j=True)
        )

    def collection(self, name: str) -> AsyncCollection[Document]:
        return self._database[name]

    async def found(self, kind: type[Kind], which: Document, order: str = "", limit: int = 0) -> list[Kind]:
        """Return the records of the documents that match. For methods that have their turn already."""
        cursor = self.collection(collection_of(kind)).find(which, limit=limit, sort=sorting(kind, order) or None)
        return [record_from(kind, each) async for each in cursor]

    @asks
    async def every(self, kind: type[Kind], /, order: str = "", limit: int = 0, **where: Any) -> list[Kind]:
        return await self.found(kind, conditions(kind, where), order, limit)

    @asks
    async def count(self, kind: type[Any], /, **where: Any) -> int:
        return await self.collection(collection_of(kind)).count_documents(conditions(kind, where))

    @asks
    async def update(self, kind: type[Any], /, changes: Mapping[str, Any], **where: Any) -> bool:
        change: Document = {"$set": stored(kind, changes)}
        if kind is Session:  # for the calls that replace the whole document
            change["$inc"] = {"revision": 1}
        which = conditions(kind, where)
        return (await self.collection(collection_of(kind)).update_one(which, change)).matched_count == 1

    @asks
    async def insert(self, record: Any, /) -> bool:
        try:
            await self.collection(collection_of(type(record))).insert_one(document_of(record, self.cipher.digest))
        except DuplicateKeyError:
            return False
        return True

    @asks
    async def replace(self, record: Any, /, **when: Any) -> bool:
        kind, document = type(record), document_of(record, self.cipher.digest)
        which = {"_id": document["_id"], **conditions(kind, when)}
        return (await self.collection(collection_of(kind)).replace_one(which, document)).matched_count == 1

    @asks
    async def delete(self, kind: type[Any], /, **where: Any) -> int:
        return (await self.collection(collection_of(kind)).delete_many(conditions(kind, where))).deleted_count
