"""The classroom's store in one SQLite file: the default, where no MongoDB is configured.

Every method is one transaction in the store's one thread, so that what is read and what is written belong together.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from classroom.domain.sessions import (
    Binding,
    CheckIn,
    CheckInStep,
    Consent,
    Mark,
    Session,
    Sheet,
    Teacher,
    Template,
    code_ends,
)
from classroom.store import (
    TRIES_KEPT,
    BoundOtherwise,
    NoSuchSession,
    SessionExists,
    StoreDamaged,
    StoreUnavailable,
    Tokens,
    WrongTries,
    account_hash,
)
from classroom.store.face_checks import owner_hash
from classroom.store.rows import (
    add_code,
    binding_from,
    check_in_from,
    check_in_row,
    consent_from,
    consent_row,
    enrolled_in,
    is_taken,
    mark_from,
    put,
    session_from,
    session_row,
    sheets_where,
    template_from,
    template_row,
    text_of,
)
from classroom.store.schema import MIGRATIONS
from core.encryption import Cipher
from core.sqlite import Database, LedgerError, LedgerUnavailable

Result = TypeVar("Result")


class SqliteStore:
    """A ``Store`` in a file (0600)."""

    def __init__(self, path: Path, cipher: Cipher) -> None:
        """Take the file, and what encrypts passwords and tokens."""
        self._path = path
        self._cipher = cipher
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classroom-store")
        self._database: Database | None = None

    async def open(self) -> None:
        """Open or make the file, and bring its schema forward. Raises StoreDamaged."""

        def open_it() -> None:
            try:
                self._database = Database(self._path, MIGRATIONS, "the classroom's store")
            except LedgerError as error:
                raise StoreDamaged(str(error)) from error

        await asyncio.get_running_loop().run_in_executor(self._thread, open_it)

    async def close(self) -> None:
        """Close the file; what is under way is done first."""
        database, self._database = self._database, None
        if database is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, database.close)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[sqlite3.Connection], Result], *, writes: bool = True) -> Result:
        """Do some work as one transaction. Raises StoreUnavailable, StoreDamaged."""

        def run() -> Result:
            if self._database is None:
                raise StoreUnavailable("the classroom's store is closed")
            try:
                with self._database.transaction(writes=writes) as connection:
                    return work(connection)
            except LedgerUnavailable as error:
                raise StoreUnavailable(str(error)) from error
            except sqlite3.DatabaseError as error:
                raise StoreDamaged(f"the classroom's store is damaged ({error})") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    # teachers

    async def teacher(self, telegram_id: int) -> Teacher | None:
        """Return a teacher who has signed in."""
        row = await self._one("SELECT * FROM teachers WHERE telegram_id = ?", telegram_id)
        return Teacher(**row) if row is not None else None

    async def save_teacher(self, teacher: Teacher) -> None:
        """Keep a teacher, new or changed."""
        await self._do(lambda db: put(db, "teachers", asdict(teacher)))

    async def remove_teacher(self, telegram_id: int) -> None:
        """Forget a teacher and the tokens. Sessions stay."""

        def remove(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM teachers WHERE telegram_id = ?", (telegram_id,))
            db.execute("DELETE FROM jwt_tokens WHERE telegram_id = ?", (telegram_id,))

        await self._do(remove)

    async def tokens(self, telegram_id: int) -> Tokens | None:
        """Return a teacher's tokens, decrypted."""
        row = await self._one("SELECT secrets FROM jwt_tokens WHERE telegram_id = ?", telegram_id)
        return Tokens(*json.loads(self._cipher.decrypt(row["secrets"]))) if row is not None else None

    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        """Keep a teacher's tokens, encrypted."""
        hidden = self._cipher.encrypt(json.dumps([tokens.access, tokens.refresh, tokens.password]))
        await self._do(lambda db: put(db, "jwt_tokens", {"telegram_id": telegram_id, "secrets": hidden}))

    # sessions

    async def create_session(self, session: Session, sheets: Sequence[Sheet], code: str, valid_until: datetime) -> bool:
        """Keep a new session with its sheets and its first code; False where the code is another live one's.

        Raises:
            SessionExists: one of the batches has a session of this subject on this date already.
        """

        def create(db: sqlite3.Connection) -> bool:
            for sheet in sheets:
                key = (sheet.campus, sheet.batch, sheet.subject, sheet.date)
                where = "campus = ? AND batch = ? AND subject = ? AND date = ? AND freed = 0"
                first = db.execute(f"SELECT session FROM sheets WHERE {where}", key).fetchone()  # noqa: S608
                if first is not None:
                    raise SessionExists(first["session"], sheet.batch)
            if is_taken(db, code, session.opened_at):
                return False
            put(db, "sessions", session_row(session))
            add_code(db, session.id, code, valid_until)
            position = 0
            for sheet in sheets:
                fields = ("session", "batch", "campus", "subject", "date", "teacher", "version", "acked_version")
                put(db, "sheets", {name: getattr(sheet, name) for name in fields})
                for student in sheet.roster:
                    row = asdict(student) | {"session": session.id, "position": position, "batch": sheet.batch}
                    put(db, "enrolled", row | {"folded": student.student_id.casefold()})
                    position += 1
            return True

        return await self._do(create)

    async def session(self, session_id: str) -> Session | None:
        """Return a session."""
        row = await self._one("SELECT * FROM sessions WHERE id = ?", session_id)
        return session_from(row) if row is not None else None

    async def sessions_of(self, teacher: int, limit: int) -> list[Session]:
        """Return a teacher's sessions, newest first."""
        rows = await self._all(
            "SELECT * FROM sessions WHERE teacher = ? ORDER BY opened_at DESC, id LIMIT ?", teacher, limit
        )
        return [session_from(row) for row in rows]

    async def unfinished(self) -> list[Session]:
        """Return the sessions whose final report has not gone out, cancelled ones apart; oldest first."""
        rows = await self._all("SELECT * FROM sessions WHERE final_at IS NULL AND cancelled = 0 ORDER BY opened_at, id")
        return [session_from(row) for row in rows]

    async def session_by_code(self, code: str, now: datetime) -> Session | None:
        """Return the session that this code was good for at that moment. See ``Store.session_by_code``."""
        row = await self._one(
            "SELECT sessions.* FROM codes JOIN sessions ON sessions.id = codes.session"
            " WHERE codes.code = ? AND codes.valid_until >= ? AND sessions.opened_at <= ? AND sessions.cancelled = 0"
            " AND (sessions.ended_at IS NULL OR sessions.ended_at >= ?) ORDER BY codes.valid_until LIMIT 1",
            code,
            text_of(now),
            text_of(now),
            text_of(now),
        )
        return session_from(row) if row is not None else None

    async def code(self, session_id: str, now: datetime) -> str | None:
        """Return the newest code of a session that is good now."""
        row = await self._one(
            "SELECT code FROM codes WHERE session = ? AND valid_until >= ? ORDER BY number DESC LIMIT 1",
            session_id,
            text_of(now),
        )
        return row["code"] if row is not None else None

    async def add_code(
        self, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
    ) -> bool:
        """Give a session its next code; see ``Store.add_code``."""

        def add(db: sqlite3.Connection) -> bool:
            if is_taken(db, code, now):
                return False
            db.execute(
                "UPDATE codes SET valid_until = min(valid_until, ?) WHERE session = ?", (text_of(old_until), session_id)
            )
            add_code(db, session_id, code, valid_until)
            return True

        return await self._do(add)

    async def extend(self, session_id: str, closes_at: datetime) -> Session | None:
        """Move the end of an open session, and of its newest code where codes don't rotate; None: it has ended."""

        def extend(db: sqlite3.Connection) -> Session | None:
            moved = db.execute(
                "UPDATE sessions SET closes_at = ? WHERE id = ? AND ended_at IS NULL", (text_of(closes_at), session_id)
            )
            if not moved.rowcount:
                return None
            session = session_from(db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone())
            if session.rotate_seconds == 0:
                db.execute(
                    "UPDATE codes SET valid_until = ? WHERE session = ?"
                    " AND number = (SELECT max(number) FROM codes WHERE session = ?)",
                    (text_of(closes_at), session_id, session_id),
                )
            return session

        return await self._do(extend)

    async def end_session(self, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
        """End a session and its codes; None where it had ended before. See ``Store.end_session``."""

        def end(db: sqlite3.Connection) -> Session | None:
            ended = db.execute(
                "UPDATE sessions SET ended_at = ?, cancelled = ? WHERE id = ? AND ended_at IS NULL",
                (text_of(at), int(cancelled), session_id),
            )
            if not ended.rowcount:
                return None
            db.execute(
                "UPDATE codes SET valid_until = min(valid_until, ?) WHERE session = ?", (text_of(at), session_id)
            )
            if cancelled:
                db.execute("UPDATE sheets SET freed = 1 WHERE session = ? AND in_lms = 0", (session_id,))
            return session_from(db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone())

        return await self._do(end)

    async def reopen(self, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:
        """Open an ended session again, with a new code and reports to come; None: cancelled, or the code is taken."""

        def reopen(db: sqlite3.Connection) -> Session | None:
            if is_taken(db, code, now):
                return None
            opened = db.execute(
                "UPDATE sessions SET ended_at = NULL, reported_at = NULL, final_at = NULL, closes_at = ?"
                " WHERE id = ? AND ended_at IS NOT NULL AND cancelled = 0",
                (text_of(closes_at), session_id),
            )
            if not opened.rowcount:
                return None
            session = session_from(db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone())
            add_code(db, session_id, code, code_ends(session, now))
            return session

        return await self._do(reopen)

    async def set_reported(self, session_id: str, at: datetime, final: bool) -> bool:
        """Record that a report goes out; True for the first who says so of this kind since the last reopening."""
        column = "final_at" if final else "reported_at"
        query = f"UPDATE sessions SET {column} = ? WHERE id = ? AND {column} IS NULL"  # noqa: S608  # a constant
        return await self._do(lambda db: db.execute(query, (text_of(at), session_id)).rowcount == 1)

    # sheets

    async def sheets(self, session_id: str) -> list[Sheet]:
        """Return a session's sheets, by batch."""
        return await self._do(lambda db: sheets_where(db, "session = ?", session_id), writes=False)

    async def sheet_of(self, session_id: str, student_id: str) -> Sheet | None:
        """Return the sheet of a session whose roster has this student ID (compared without case)."""

        def find(db: sqlite3.Connection) -> Sheet | None:
            found = enrolled_in(db, session_id, student_id)
            if found is None:
                return None
            return sheets_where(db, "session = ? AND batch = ?", session_id, found["batch"])[0]

        return await self._do(find, writes=False)

    async def mark(self, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        """Put a mark into the sheet that has the student, and raise its version, in one step.

        Raises:
            NoSuchSession: no roster of the session has the student.
        """

        def write(db: sqlite3.Connection) -> bool:
            student = enrolled_in(db, session_id, mark.student_id)
            if student is None:
                raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
            key = (session_id, student["student_id"])
            before = db.execute("SELECT * FROM marks WHERE session = ? AND student_id = ?", key).fetchone()
            if before is not None and not overwrite:
                return False
            said = (mark.status.value, mark.by, mark.reason)
            if before is not None and (before["status"], before["by_teacher"], before["reason"]) == said:
                return False
            put(
                db,
                "marks",
                {
                    "session": session_id,
                    "student_id": student["student_id"],
                    "batch": student["batch"],
                    "status": mark.status.value,
                    "at": text_of(mark.at),
                    "by_teacher": mark.by,
                    "reason": mark.reason,
                },
            )
            db.execute(
                "UPDATE sheets SET version = version + 1 WHERE session = ? AND batch = ?",
                (session_id, student["batch"]),
            )
            return True

        return await self._do(write)

    async def unacked(self) -> list[Sheet]:
        """Return the sheets that the LMS has not confirmed in their newest version; refused ones apart."""
        return await self._do(lambda db: sheets_where(db, "acked_version < version AND refused = ''"), writes=False)

    async def acked(self, session_id: str, batch: str, version: int) -> None:
        """Record that the LMS has this version (never backwards) and so the record itself."""
        await self._do(
            lambda db: db.execute(
                "UPDATE sheets SET acked_version = max(acked_version, ?), in_lms = 1 WHERE session = ? AND batch = ?",
                (version, session_id, batch),
            )
        )

    async def set_in_lms(self, session_id: str, batch: str) -> None:
        """Record that the LMS has a record with this key, of whatever version: from now on it is updated."""
        await self._do(
            lambda db: db.execute("UPDATE sheets SET in_lms = 1 WHERE session = ? AND batch = ?", (session_id, batch))
        )

    async def set_refused(self, session_id: str, batch: str, why: str) -> None:
        """Record the LMS's permanent refusal; an empty text lets the sheet be tried again."""
        await self._do(
            lambda db: db.execute(
                "UPDATE sheets SET refused = ? WHERE session = ? AND batch = ?", (why, session_id, batch)
            )
        )

    # check-ins

    async def begin_check_in(self, check_in: CheckIn) -> CheckIn:
        """Keep a check-in, or return the one that this student has in this session already."""

        def begin(db: sqlite3.Connection) -> CheckIn:
            key = (check_in.session, check_in.student_id)
            there = db.execute("SELECT * FROM check_ins WHERE session = ? AND student_id = ?", key).fetchone()
            if there is not None:
                return check_in_from(there)
            put(db, "check_ins", check_in_row(check_in))
            return check_in

        return await self._do(begin)

    async def check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        """Return a student's check-in."""
        row = await self._one("SELECT * FROM check_ins WHERE session = ? AND student_id = ?", session_id, student_id)
        return check_in_from(row) if row is not None else None

    async def check_ins(self, session_id: str) -> list[CheckIn]:
        """Return a session's check-ins, oldest first."""
        rows = await self._all("SELECT * FROM check_ins WHERE session = ? ORDER BY code_at, student_id", session_id)
        return [check_in_from(row) for row in rows]

    async def move_check_in(self, check_in: CheckIn, when: Collection[CheckInStep]) -> bool:
        """Write a check-in where it is at one of these steps now; False where it is elsewhere: somebody was first."""

        def move(db: sqlite3.Connection) -> bool:
            key = (check_in.session, check_in.student_id)
            there = db.execute("SELECT step FROM check_ins WHERE session = ? AND student_id = ?", key).fetchone()
            if there is None or there["step"] not in {step.value for step in when}:
                return False
            put(db, "check_ins", check_in_row(check_in))
            return True

        return await self._do(move)

    async def latest_check_in(self, telegram_id: int) -> CheckIn | None:
        """Return the newest check-in of a Telegram account."""
        row = await self._one(
            "SELECT * FROM check_ins WHERE telegram_id = ? ORDER BY code_at DESC LIMIT 1", telegram_id
        )
        return check_in_from(row) if row is not None else None

    async def checking(self) -> list[CheckIn]:
        """Return the check-ins of all sessions whose video note is in the queue, the note that came first first."""
        rows = await self._all(
            "SELECT * FROM check_ins WHERE step = 'checking'"
            " ORDER BY json_extract(face, '$.sent_at'), session, student_id"
        )
        return [check_in_from(row) for row in rows]

    # faces

    async def consent(self, telegram_id: int) -> Consent | None:
        """Return what a person has said to the use of their face."""
        row = await self._one("SELECT * FROM consents WHERE telegram_id = ?", telegram_id)
        return consent_from(row) if row is not None else None

    async def set_consent(self, consent: Consent) -> None:
        """Keep what a person says now."""
        await self._do(lambda db: put(db, "consents", consent_row(consent)))

    async def template(self, student_id: str) -> Template | None:
        """Return a student's template."""
        row = await self._one("SELECT * FROM templates WHERE folded = ?", student_id.casefold())
        return template_from(row) if row is not None else None

    async def save_template(self, template: Template) -> None:
        """Keep a student's template, in the place of the one before."""
        await self._do(lambda db: put(db, "templates", template_row(template)))

    async def remove_templates(self, made_before: datetime) -> list[str]:
        """Delete the templates and the consents from before then; return whose templates, by ID."""

        def remove(db: sqlite3.Connection) -> list[str]:
            before = (text_of(made_before),)
            rows = db.execute("SELECT student_id FROM templates WHERE made_at < ? ORDER BY folded", before).fetchall()
            db.execute("DELETE FROM templates WHERE made_at < ?", before)
            db.execute("DELETE FROM consents WHERE at < ?", before)
            return [row["student_id"] for row in rows]

        return await self._do(remove)

    async def claim_note(self, fingerprint: str, owner: str, at: datetime) -> bool:
        """Record that a recording was used, and for which check; False where another check has used it."""

        def claim(db: sqlite3.Connection) -> bool:
            hashed = owner_hash(owner)
            row = db.execute("SELECT owner FROM used_notes WHERE fingerprint = ?", (fingerprint,)).fetchone()
            if row is None:
                put(db, "used_notes", {"fingerprint": fingerprint, "owner": hashed, "at": text_of(at)})
            return row is None or row["owner"] == hashed

        return await self._do(claim)

    # who is who

    async def binding_of(self, telegram_id: int) -> Binding | None:
        """Return the student ID of a Telegram account."""
        row = await self._one("SELECT * FROM bindings WHERE telegram_id = ?", telegram_id)
        return binding_from(row) if row is not None else None

    async def binding_for(self, student_id: str) -> Binding | None:
        """Return the Telegram account of a student ID (compared without case)."""
        row = await self._one(
            "SELECT * FROM bindings WHERE folded = ? AND telegram_id IS NOT NULL", student_id.casefold()
        )
        return binding_from(row) if row is not None else None

    async def is_taken(self, student_id: str) -> bool:
        """Say whether a student ID is some account's. See ``Store.is_taken``."""
        return await self._one("SELECT 1 FROM bindings WHERE folded = ?", student_id.casefold()) is not None

    async def bind(self, binding: Binding) -> Binding:
        """Bind an account and a student ID, one to one; harmless where they are bound to each other.

        Raises:
            BoundOtherwise: one of the two is bound to something else, or was before its data were deleted.
        """

        def bind(db: sqlite3.Connection) -> Binding:
            folded, account = binding.student_id.casefold(), account_hash(binding.telegram_id)
            rows = db.execute("SELECT * FROM bindings WHERE folded = ? OR account = ?", (folded, account)).fetchall()
            if len(rows) == 1 and (rows[0]["folded"], rows[0]["telegram_id"]) == (folded, binding.telegram_id):
                return binding_from(rows[0])
            if rows:
                raise BoundOtherwise("the student ID or the account is bound otherwise")
            row = asdict(binding) | {"folded": folded, "account": account, "bound_at": text_of(binding.bound_at)}
            put(db, "bindings", row)
            return binding

        return await self._do(bind)

    async def unbind(self, student_id: str, by: int, at: datetime, reason: str) -> bool:
        """Undo a binding, on record (by whom, when, why); False where there was none."""

        def unbind(db: sqlite3.Connection) -> bool:
            row = db.execute("SELECT * FROM bindings WHERE folded = ?", (student_id.casefold(),)).fetchone()
            if row is None:
                return False
            db.execute("DELETE FROM bindings WHERE folded = ?", (student_id.casefold(),))
            record = {"student_id": row["student_id"], "telegram_id": row["telegram_id"], "by_teacher": by}
            put(db, "unbindings", record | {"at": text_of(at), "reason": reason})
            return True

        return await self._do(unbind)

    async def forget_student(self, telegram_id: int) -> None:
        """Delete what is kept of a Telegram account. See ``Store.forget_student``."""

        def forget(db: sqlite3.Connection) -> None:
            ids = db.execute(
                "SELECT student_id FROM bindings WHERE telegram_id = ?"
                " UNION SELECT student_id FROM check_ins WHERE telegram_id = ?",
                (telegram_id, telegram_id),
            ).fetchall()
            for row in ids:  # a template that somebody else needs is made anew
                db.execute("DELETE FROM templates WHERE folded = ?", (row["student_id"].casefold(),))
            db.execute("DELETE FROM consents WHERE telegram_id = ?", (telegram_id,))
            db.execute("UPDATE bindings SET telegram_id = NULL WHERE telegram_id = ?", (telegram_id,))
            db.execute("DELETE FROM check_ins WHERE telegram_id = ?", (telegram_id,))
            db.execute("UPDATE unbindings SET telegram_id = NULL WHERE telegram_id = ?", (telegram_id,))

        await self._do(forget)

    # tries

    async def add_wrong_try(self, telegram_id: int, student_id: str, at: datetime) -> None:
        """Keep a wrong code, or a wrong ID."""
        row = {"telegram_id": telegram_id, "folded": student_id.casefold(), "at": text_of(at)}
        await self._do(lambda db: put(db, "attempts", row))

    async def wrong_tries(self, telegram_id: int, student_id: str, since: datetime) -> WrongTries:
        """Count the wrong tries since then."""
        row = await self._one(
            "SELECT (SELECT count(*) FROM attempts WHERE telegram_id = ? AND at > ?) AS by_account,"
            " (SELECT count(*) FROM attempts WHERE folded = ? AND at > ?) AS on_student_id",
            telegram_id,
            text_of(since),
            student_id.casefold(),
            text_of(since),
        )
        return WrongTries(row["by_account"], row["on_student_id"]) if row is not None else WrongTries(0, 0)

    async def wrong_tries_in_session(self, session_id: str, since: datetime) -> int:
        """Count the wrong tries on a session's IDs, by accounts without a check-in there."""
        row = await self._one(
            "SELECT count(*) AS found FROM attempts WHERE at > ?"
            " AND folded IN (SELECT folded FROM enrolled WHERE session = ?)"
            " AND telegram_id NOT IN (SELECT telegram_id FROM check_ins WHERE session = ?)",
            text_of(since),
            session_id,
            session_id,
        )
        return row["found"] if row is not None else 0

    # history and cleaning

    async def history(self, teacher: int, since: str) -> list[tuple[Session, list[Sheet]]]:
        """Return a teacher's ended sessions since a date (YYYY-MM-DD), cancelled ones apart, newest first."""

        def read(db: sqlite3.Connection) -> list[tuple[Session, list[Sheet]]]:
            rows = db.execute(
                "SELECT * FROM sessions WHERE teacher = ? AND date >= ? AND ended_at IS NOT NULL AND cancelled = 0"
                " ORDER BY opened_at DESC, id",
                (teacher, since),
            ).fetchall()
            return [(session_from(row), sheets_where(db, "session = ?", row["id"])) for row in rows]

        return await self._do(read, writes=False)

    async def attended(self, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        """Return the ended sessions whose rosters have a student, newest first, with the mark."""

        def read(db: sqlite3.Connection) -> list[tuple[Session, Mark | None]]:
            rows = db.execute(
                "SELECT sessions.*, enrolled.student_id AS student FROM enrolled"
                " JOIN sessions ON sessions.id = enrolled.session"
                " WHERE enrolled.folded = ? AND ended_at IS NOT NULL AND cancelled = 0"
                " ORDER BY opened_at DESC, id LIMIT ?",
                (student_id.casefold(), limit),
            ).fetchall()
            found = []
            for row in rows:
                key = (row["id"], row["student"])
                mark = db.execute("SELECT * FROM marks WHERE session = ? AND student_id = ?", key).fetchone()
                found.append((session_from(row), mark_from(mark) if mark is not None else None))
            return found

        return await self._do(read, writes=False)

    async def clean(self, now: datetime, keep_since: datetime) -> int:
        """Delete what is over. See ``Store.clean``."""

        def clean(db: sqlite3.Connection) -> int:
            over = [
                db.execute("DELETE FROM codes WHERE valid_until < ?", (text_of(now - TRIES_KEPT),)),
                db.execute("DELETE FROM attempts WHERE at < ?", (text_of(now - TRIES_KEPT),)),
                db.execute(
                    "DELETE FROM sessions WHERE opened_at < ? AND (final_at IS NOT NULL OR cancelled = 1)",
                    (text_of(keep_since),),
                ),
                db.execute("DELETE FROM unbindings WHERE at < ?", (text_of(keep_since),)),
                db.execute("DELETE FROM used_notes WHERE at < ?", (text_of(keep_since),)),
            ]
            return sum(cursor.rowcount for cursor in over)

        return await self._do(clean)

    async def _one(self, query: str, *parameters: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = await self._do(lambda db: db.execute(query, parameters).fetchone(), writes=False)
        return row

    async def _all(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        return await self._do(lambda db: db.execute(query, parameters).fetchall(), writes=False)
