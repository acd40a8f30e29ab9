"""The classroom's store in one SQLite file: the default, where no MongoDB is configured.

Every method is one transaction in the store's own thread, so that no other change comes between its reads and writes.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from classroom.store import StoreDamaged, StoreUnavailable, Tokens
from classroom.store.plain import open_tokens, seal_tokens
from classroom.store.rows import put
from classroom.store.schema import SCHEMA
from classroom.store.sqlite_tables import check_ins_and_faces, people, sessions, sheets_and_marks
from core.encryption import Cipher
from core.sqlite import Database, DatabaseError, DatabaseUnavailable

Result = TypeVar("Result")


class SqliteStore:
    """A ``Store`` in a file (0600). ``cipher`` encrypts passwords and tokens."""

    def __init__(self, path: Path, cipher: Cipher) -> None:
        self._path = path
        self._cipher = cipher
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classroom-store")
        self._database: Database | None = None

    async def open(self) -> None:
        """Open or create the file, and migrate its schema. Raises StoreDamaged."""

        def open_it() -> None:
            try:
                self._database = Database(self._path, [SCHEMA], "the classroom's store")
            except DatabaseError as error:
                raise StoreDamaged(str(error)) from error

        await asyncio.get_running_loop().run_in_executor(self._thread, open_it)

    async def close(self) -> None:
        """Close the file after the transactions that are running."""
        database, self._database = self._database, None
        if database is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, database.close)
        self._thread.shutdown(wait=False)

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

    async def tokens(self, telegram_id: int) -> Tokens | None:
        def read(db: sqlite3.Connection) -> str | None:
            row = db.execute("SELECT secrets FROM jwt_tokens WHERE telegram_id = ?", (telegram_id,)).fetchone()
            return row["secrets"] if row is not None else None

        sealed = await self.run(read, writes=False)
        return open_tokens(self._cipher, sealed) if sealed is not None else None

    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        row = {"telegram_id": telegram_id, "secrets": seal_tokens(self._cipher, tokens)}
        await self.run(lambda db: put(db, "jwt_tokens", row))

    # The other methods are functions in ``sqlite_tables``, each of which runs as one transaction.

    teacher = people.teacher
    save_teacher = people.save_teacher
    remove_teacher = people.remove_teacher
    binding_of = people.binding_of
    binding_for = people.binding_for
    is_taken = people.is_taken
    bind = people.bind
    unbind = people.unbind
    forget_student = people.forget_student
    add_wrong_try = people.add_wrong_try
    wrong_tries = people.wrong_tries
    wrong_tries_in_session = people.wrong_tries_in_session

    create_session = sessions.create_session
    session = sessions.session
    sessions_of = sessions.sessions_of
    unfinished = sessions.unfinished
    session_by_code = sessions.session_by_code
    code = sessions.code
    add_code = sessions.add_code
    extend = sessions.extend
    end_session = sessions.end_session
    reopen = sessions.reopen
    set_reported = sessions.set_reported
    history = sessions.history
    attended = sessions.attended
    clean = sessions.clean

    sheets = sheets_and_marks.sheets
    sheet_of = sheets_and_marks.sheet_of
    mark = sheets_and_marks.mark
    unacked = sheets_and_marks.unacked
    acked = sheets_and_marks.acked
    set_in_lms = sheets_and_marks.set_in_lms
    set_refused = sheets_and_marks.set_refused

    begin_check_in = check_ins_and_faces.begin_check_in
    check_in = check_ins_and_faces.check_in
    check_ins = check_ins_and_faces.check_ins
    move_check_in = check_ins_and_faces.move_check_in
    latest_check_in = check_ins_and_faces.latest_check_in
    checking = check_ins_and_faces.checking
    consent = check_ins_and_faces.consent
    set_consent = check_ins_and_faces.set_consent
    template = check_ins_and_faces.template
    save_template = check_ins_and_faces.save_template
    remove_templates = check_ins_and_faces.remove_templates
    claim_note = check_ins_and_faces.claim_note
