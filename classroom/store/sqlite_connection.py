"""The connection to the classroom's SQLite file: a thread of its own, transactions, typed errors."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from classroom.store import Store, StoreDamaged, StoreUnavailable, rows
from classroom.store.plain import TABLES, fields_of
from classroom.store.records import taken_hash
from classroom.store.schema import KEYED, SCHEMA
from core.encryption import Cipher
from core.sqlite import Database, DatabaseError, DatabaseUnavailable

P = ParamSpec("P")
Connected = TypeVar("Connected", bound="SqliteConnection")
Kind = TypeVar("Kind")
Result = TypeVar("Result")
Work = Callable[Concatenate[Connected, sqlite3.Connection, P], Result]
Method = Callable[Concatenate[Connected, P], Coroutine[Any, Any, Result]]


class SqliteConnection(Store):
    """The record operations of ``Store`` in a SQLite database: a shared one, or a file (0600) of this store alone.

    ``cipher`` encrypts passwords and tokens.
    """

    def __init__(self, file: Path | Database, cipher: Cipher) -> None:
        self._file = file
        self.cipher = cipher
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classroom-store")
        self._database: Database | None = None

    async def open(self) -> None:
        """Open or create the file, migrate its schema, key its hashes. Raises StoreDamaged, StoreUnavailable."""
        if isinstance(self._file, Database):
            self._database = self._file
        else:
            opening = partial(Database, self._file, [SCHEMA], "the classroom's store")
            try:
                self._database = await asyncio.get_running_loop().run_in_executor(self._thread, opening)
            except DatabaseError as error:
                raise StoreDamaged(str(error)) from error
        await self.run(self._key_hashes)

    def _key_hashes(self, db: sqlite3.Connection) -> None:
        """Give the key to hashes that an older version stored without one."""
        db.create_function("keyed", 1, self.cipher.digest)
        db.create_function("taken", 1, lambda student_id: taken_hash(student_id, self.cipher.digest))
        for statement in KEYED:
            db.execute(statement)

    async def close(self) -> None:
        """Wait for the transactions that are running; close the file unless it is shared."""
        database, self._database = self._database, None
        if database is not None and database is not self._file:
            await asyncio.get_running_loop().run_in_executor(self._thread, database.close)
        await asyncio.to_thread(self._thread.shutdown)

    async def run(self, work: Callable[[sqlite3.Connection], Result], *, writes: bool = True) -> Result:
        """Run some work as one transaction. Raises StoreUnavailable, StoreDamaged."""

        def transact() -> Result:
            if self._database is None:
                raise StoreUnavailable("the classroom's store is closed")
            try:
                with self._database.transaction(writes=writes) as connection:
                    return work(connection)
            except DatabaseUnavailable as error:
                raise StoreUnavailable(str(error)) from error
            except sqlite3.DatabaseError as error:
                raise StoreDamaged(f"the classroom's store is damaged ({error})") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, transact)

    async def every(self, kind: type[Kind], /, order: str = "", limit: int = 0, **where: Any) -> list[Kind]:
        which, parameters = rows.condition(where)
        query = f"SELECT * FROM {TABLES[kind].name} {which} {rows.order_by(order)} LIMIT ?"  # noqa: S608  # our names
        return await self.run(lambda db: rows.read(db, kind, query, *parameters, limit or -1), writes=False)

    async def count(self, kind: type[Any], /, **where: Any) -> int:
        which, parameters = rows.condition(where)
        query = f"SELECT count(*) FROM {TABLES[kind].name} {which}"  # noqa: S608  # our names
        return await self.run(lambda db: int(db.execute(query, parameters).fetchone()[0]), writes=False)

    async def update(self, kind: type[Any], /, changes: Mapping[str, Any], **where: Any) -> bool:
        return await self.run(lambda db: rows.update(db, TABLES[kind].name, changes, where))

    async def insert(self, record: Any, /) -> bool:
        values = fields_of(record, self.cipher.digest)
        return await self.run(lambda db: rows.insert(db, TABLES[type(record)].name, values))

    async def replace(self, record: Any, /, **when: Any) -> bool:
        values = fields_of(record, self.cipher.digest)
        key = {name: values[name] for name in TABLES[type(record)].key}
        return await self.update(type(record), values, **key, **when)

    async def delete(self, kind: type[Any], /, **where: Any) -> int:
        which, parameters = rows.condition(where)
        statement = f"DELETE FROM {TABLES[kind].name} {which}"  # noqa: S608  # our names
        return await self.run(lambda db: db.execute(statement, parameters).rowcount)


def writes(work: Work[Connected, P, Result]) -> Method[Connected, P, Result]:
    """Run a method as one transaction that writes; it gets the transaction's connection."""
    return _transaction(work, writes=True)


def reads(work: Work[Connected, P, Result]) -> Method[Connected, P, Result]:
    """Run a method as one transaction that only reads: it does not wait for writers."""
    return _transaction(work, writes=False)


def _transaction(work: Work[Connected, P, Result], *, writes: bool) -> Method[Connected, P, Result]:
    @wraps(work)
    async def method(store: Connected, /, *arguments: P.args, **options: P.kwargs) -> Result:
        return await store.run(lambda db: work(store, db, *arguments, **options), writes=writes)

    return method
