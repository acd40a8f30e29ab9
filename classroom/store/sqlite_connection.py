"""The connection to the classroom's SQLite file: a thread of its own, transactions, typed errors."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from classroom.store import StoreDamaged, StoreUnavailable
from classroom.store.schema import SCHEMA
from core.encryption import Cipher
from core.sqlite import Database, DatabaseError, DatabaseUnavailable

P = ParamSpec("P")
Store = TypeVar("Store", bound="SqliteConnection")
Result = TypeVar("Result")
Work = Callable[Concatenate[Store, sqlite3.Connection, P], Result]
Method = Callable[Concatenate[Store, P], Coroutine[Any, Any, Result]]


class SqliteConnection:
    """The classroom's tables in a database that is shared, or in a file (0600) that only this store uses.

    ``cipher`` encrypts passwords and tokens.
    """

    def __init__(self, file: Path | Database, cipher: Cipher) -> None:
        self._file = file
        self.cipher = cipher
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classroom-store")
        self._database: Database | None = None

    async def open(self) -> None:
        """Open or create the file, and migrate its schema. Raises StoreDamaged."""
        if isinstance(self._file, Database):
            self._database = self._file
            return
        file = self._file

        def open_it() -> None:
            try:
                self._database = Database(file, [SCHEMA], "the classroom's store")
            except DatabaseError as error:
                raise StoreDamaged(str(error)) from error

        await asyncio.get_running_loop().run_in_executor(self._thread, open_it)

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


def writes(work: Work[Store, P, Result]) -> Method[Store, P, Result]:
    """Run a method as one transaction that writes; it gets the transaction's connection."""
    return _transaction(work, writes=True)


def reads(work: Work[Store, P, Result]) -> Method[Store, P, Result]:
    """Run a method as one transaction that only reads: it does not wait for writers."""
    return _transaction(work, writes=False)


def _transaction(work: Work[Store, P, Result], *, writes: bool) -> Method[Store, P, Result]:
    @wraps(work)
    async def method(store: Store, /, *arguments: P.args, **options: P.kwargs) -> Result:
        return await store.run(lambda db: work(store, db, *arguments, **options), writes=writes)

    return method
