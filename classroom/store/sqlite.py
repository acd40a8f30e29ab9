"""The classroom's store in one SQLite file: the default, where no MongoDB is configured.

Every method is one transaction in the store's one thread, so that what is read and what is written belong together.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from classroom.sessions import Binding, CheckIn, Enrolled, Mark, Place, Session, Sheet, Status, Step, Teacher, code_ends
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
from classroom.store.schema import MIGRATIONS
from encryption import Cipher
from ledger import Database, LedgerError, LedgerUnavailable

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
        await self._do(lambda db: _put(db, "teachers", asdict(teacher)))

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
        await self._do(lambda db: _put(db, "jwt_tokens", {"telegram_id": telegram_id, "secrets": hidden}))

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
            if _is_taken(db, code, session.opened_at):
                return False
            _put(db, "sessions", _session_row(session))
            _add_code(db, session.id, code, valid_until)
            position = 0
            for sheet in sheets:
                fields = ("session", "batch", "campus", "subject", "date", "teacher", "version", "acked_version")
                _put(db, "sheets", {name: getattr(sheet, name) for name in fields})
                for student in sheet.roster:
                    row = asdict(student) | {"session": session.id, "position": position, "batch": sheet.batch}
                    _put(db, "enrolled", row | {"folded": student.student_id.casefold()})
                    position += 1
            return True

        return await self._do(create)

    async def session(self, session_id: str) -> Session | None:
        """Return a session."""
        row = await self._one("SELECT * FROM sessions WHERE id = ?", session_id)
        return _session(row) if row is not None else None

    async def sessions_of(self, teacher: int, limit: int) -> list[Session]:
        """Return a teacher's sessions, newest first."""
        rows = await self._all(
            "SELECT * FROM sessions WHERE teacher = ? ORDER BY opened_at DESC, id LIMIT ?", teacher, limit
        )
        return [_session(row) for row in rows]

    async def unfinished(self) -> list[Session]:
        """Return the sessions whose final report has not gone out, cancelled ones apart; oldest first."""
        rows = await self._all("SELECT * FROM sessions WHERE final_at IS NULL AND cancelled = 0 ORDER BY opened_at, id")
        return [_session(row) for row in rows]

    async def session_by_code(self, code: str, now: datetime) -> Session | None:
        """Return the session that this code was good for at that moment. See ``Store.session_by_code``."""
        row = await self._one(
            "SELECT sessions.* FROM codes JOIN sessions ON sessions.id = codes.session"
            " WHERE codes.code = ? AND codes.valid_until >= ? AND sessions.opened_at <= ? AND sessions.cancelled = 0"
            " AND (sessions.ended_at IS NULL OR sessions.ended_at >= ?) ORDER BY codes.valid_until LIMIT 1",
            code,
            _text(now),
            _text(now),
            _text(now),
        )
        return _session(row) if row is not None else None

    async def code(self, session_id: str, now: datetime) -> str | None:
        """Return the newest code of a session that is good now."""
        row = await self._one(
            "SELECT code FROM codes WHERE session = ? AND valid_until >= ? ORDER BY number DESC LIMIT 1",
            session_id,
            _text(now),
        )
        return row["code"] if row is not None else None

    async def add_code(
        self, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
    ) -> bool:
        """Give a session its next code; see ``Store.add_code``."""

        def add(db: sqlite3.Connection) -> bool:
            if _is_taken(db, code, now):
                return False
            db.execute(
                "UPDATE codes SET valid_until = min(valid_until, ?) WHERE session = ?", (_text(old_until), session_id)
            )
            _add_code(db, session_id, code, valid_until)
            return True

        return await self._do(add)

    async def extend(self, session_id: str, closes_at: datetime) -> Session | None:
        """Move the end of an open session, and of its newest code where codes don't rotate; None: it has ended."""

        def extend(db: sqlite3.Connection) -> Session | None:
            moved = db.execute(
                "UPDATE sessions SET closes_at = ? WHERE id = ? AND ended_at IS NULL", (_text(closes_at), session_id)
            )
            if not moved.rowcount:
                return None
            session = _session(db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone())
            if session.rotate_seconds == 0:
                db.execute(
                    "UPDATE codes SET valid_until = ? WHERE session = ?"
                    " AND number = (SELECT max(number) FROM codes WHERE session = ?)",
                    (_text(closes_at), session_id, session_id),
                )
            return session

        return await self._do(extend)

    async def end_session(self, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
        """End a session and its codes; None where it had ended before. See ``Store.end_session``."""

        def end(db: sqlite3.Connection) -> Session | None:
            ended = db.execute(
                "UPDATE sessions SET ended_at = ?, cancelled = ? WHERE id = ? AND ended_at IS NULL",
                (_text(at), int(cancelled), session_id),
            )
            if not ended.rowcount:
                return None
            db.execute("UPDATE codes SET valid_until = min(valid_until, ?) WHERE session = ?", (_text(at), session_id))
            if cancelled:
                db.execute("UPDATE sheets SET freed = 1 WHERE session = ? AND in_lms = 0", (session_id,))
            return _session(db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone())

        return await self._do(end)

    async def reopen(self, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:
        """Open an ended session again, with a new code and reports to come; None: cancelled, or the code is taken."""

        def reopen(db: sqlite3.Connection) -> Session | None:
            if _is_taken(db, code, now):
                return None
            opened = db.execute(
                "UPDATE sessions SET ended_at = NULL, reported_at = NULL, final_at = NULL, closes_at = ?"
                " WHERE id = ? AND ended_at IS NOT NULL AND cancelled = 0",
                (_text(closes_at), session_id),
            )
            if not opened.rowcount:
                return None
            session = _session(db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone())
            _add_code(db, session_id, code, code_ends(session, now))
            return session

        return await self._do(reopen)

    async def set_reported(self, session_id: str, at: datetime, final: bool) -> bool:
        """Record that a report goes out; True for the first who says so of this kind since the last reopening."""
        column = "final_at" if final else "reported_at"
        query = f"UPDATE sessions SET {column} = ? WHERE id = ? AND {column} IS NULL"  # noqa: S608  # a constant
        return await self._do(lambda db: db.execute(query, (_text(at), session_id)).rowcount == 1)

    # sheets

    async def sheets(self, session_id: str) -> list[Sheet]:
        """Return a session's sheets, by batch."""
        return await self._do(lambda db: _sheets(db, "session = ?", session_id), writes=False)

    async def sheet_of(self, session_id: str, student_id: str) -> Sheet | None:
        """Return the sheet of a session whose roster has this student ID (compared without case)."""

        def find(db: sqlite3.Connection) -> Sheet | None:
            found = _enrolled(db, session_id, student_id)
            if found is None:
                return None
            return _sheets(db, "session = ? AND batch = ?", session_id, found["batch"])[0]

        return await self._do(find, writes=False)

    async def mark(self, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        """Put a mark into the sheet that has the student, and raise its version, in one step.

        Raises:
            NoSuchSession: no roster of the session has the student.
        """

        def put(db: sqlite3.Connection) -> bool:
            student = _enrolled(db, session_id, mark.student_id)
            if student is None:
                raise NoSuchSession(f"session {session_id} has no student {mark.student_id}")
            key = (session_id, student["student_id"])
            before = db.execute("SELECT * FROM marks WHERE session = ? AND student_id = ?", key).fetchone()
            if before is not None and not overwrite:
                return False
            said = (mark.status.value, mark.by, mark.reason)
            if before is not None and (before["status"], before["by_teacher"], before["reason"]) == said:
                return False
            _put(
                db,
                "marks",
                {
                    "session": session_id,
                    "student_id": student["student_id"],
                    "batch": student["batch"],
                    "status": mark.status.value,
                    "at": _text(mark.at),
                    "by_teacher": mark.by,
                    "reason": mark.reason,
                },
            )
            db.execute(
                "UPDATE sheets SET version = version + 1 WHERE session = ? AND batch = ?",
                (session_id, student["batch"]),
            )
            return True

        return await self._do(put)

    async def unacked(self) -> list[Sheet]:
        """Return the sheets that the LMS has not confirmed in their newest version; refused ones apart."""
        return await self._do(lambda db: _sheets(db, "acked_version < version AND refused = ''"), writes=False)

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
                return _check_in(there)
            _put(db, "check_ins", _check_in_row(check_in))
            return check_in

        return await self._do(begin)

    async def check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        """Return a student's check-in."""
        row = await self._one("SELECT * FROM check_ins WHERE session = ? AND student_id = ?", session_id, student_id)
        return _check_in(row) if row is not None else None

    async def check_ins(self, session_id: str) -> list[CheckIn]:
        """Return a session's check-ins, oldest first."""
        rows = await self._all("SELECT * FROM check_ins WHERE session = ? ORDER BY code_at, student_id", session_id)
        return [_check_in(row) for row in rows]

    async def move_check_in(self, check_in: CheckIn, when: Collection[Step]) -> bool:
        """Write a check-in where it is at one of these steps now; False where it is elsewhere: somebody was first."""

        def move(db: sqlite3.Connection) -> bool:
            key = (check_in.session, check_in.student_id)
            there = db.execute("SELECT step FROM check_ins WHERE session = ? AND student_id = ?", key).fetchone()
            if there is None or there["step"] not in {step.value for step in when}:
                return False
            _put(db, "check_ins", _check_in_row(check_in))
            return True

        return await self._do(move)

    async def latest_check_in(self, telegram_id: int) -> CheckIn | None:
        """Return the newest check-in of a Telegram account."""
        row = await self._one(
            "SELECT * FROM check_ins WHERE telegram_id = ? ORDER BY code_at DESC LIMIT 1", telegram_id
        )
        return _check_in(row) if row is not None else None

    # who is who

    async def binding_of(self, telegram_id: int) -> Binding | None:
        """Return the student ID of a Telegram account."""
        row = await self._one("SELECT * FROM bindings WHERE telegram_id = ?", telegram_id)
        return _binding(row) if row is not None else None

    async def binding_for(self, student_id: str) -> Binding | None:
        """Return the Telegram account of a student ID (compared without case)."""
        row = await self._one(
            "SELECT * FROM bindings WHERE folded = ? AND telegram_id IS NOT NULL", student_id.casefold()
        )
        return _binding(row) if row is not None else None

    async def bind(self, binding: Binding) -> Binding:
        """Bind an account and a student ID, one to one; harmless where they are bound to each other.

        Raises:
            BoundOtherwise: one of the two is bound to something else, or was before its data were deleted.
        """

        def bind(db: sqlite3.Connection) -> Binding:
            folded, account = binding.student_id.casefold(), account_hash(binding.telegram_id)
            rows = db.execute("SELECT * FROM bindings WHERE folded = ? OR account = ?", (folded, account)).fetchall()
            if len(rows) == 1 and (rows[0]["folded"], rows[0]["telegram_id"]) == (folded, binding.telegram_id):
                return _binding(rows[0])
            if rows:
                raise BoundOtherwise("the student ID or the account is bound otherwise")
            row = asdict(binding) | {"folded": folded, "account": account, "bound_at": _text(binding.bound_at)}
            _put(db, "bindings", row)
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
            _put(db, "unbindings", record | {"at": _text(at), "reason": reason})
            return True

        return await self._do(unbind)

    async def forget_student(self, telegram_id: int) -> None:
        """Delete what is kept of a Telegram account. See ``Store.forget_student``."""

        def forget(db: sqlite3.Connection) -> None:
            db.execute("UPDATE bindings SET telegram_id = NULL WHERE telegram_id = ?", (telegram_id,))
            db.execute("DELETE FROM check_ins WHERE telegram_id = ?", (telegram_id,))
            db.execute("UPDATE unbindings SET telegram_id = NULL WHERE telegram_id = ?", (telegram_id,))

        await self._do(forget)

    # tries

    async def add_wrong_try(self, telegram_id: int, student_id: str, at: datetime) -> None:
        """Keep a wrong code, or a wrong ID."""
        row = {"telegram_id": telegram_id, "folded": student_id.casefold(), "at": _text(at)}
        await self._do(lambda db: _put(db, "attempts", row))

    async def wrong_tries(self, telegram_id: int, student_id: str, since: datetime) -> WrongTries:
        """Count the wrong tries since then."""
        row = await self._one(
            "SELECT (SELECT count(*) FROM attempts WHERE telegram_id = ? AND at > ?) AS by_account,"
            " (SELECT count(*) FROM attempts WHERE folded = ? AND at > ?) AS on_student_id",
            telegram_id,
            _text(since),
            student_id.casefold(),
            _text(since),
        )
        return WrongTries(row["by_account"], row["on_student_id"]) if row is not None else WrongTries(0, 0)

    async def wrong_tries_in_session(self, session_id: str, since: datetime) -> int:
        """Count the wrong tries on a session's IDs, by accounts without a check-in there."""
        row = await self._one(
            "SELECT count(*) AS found FROM attempts WHERE at > ?"
            " AND folded IN (SELECT folded FROM enrolled WHERE session = ?)"
            " AND telegram_id NOT IN (SELECT telegram_id FROM check_ins WHERE session = ?)",
            _text(since),
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
            return [(_session(row), _sheets(db, "session = ?", row["id"])) for row in rows]

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
                found.append((_session(row), _mark(mark) if mark is not None else None))
            return found

        return await self._do(read, writes=False)

    async def clean(self, now: datetime, keep_since: datetime) -> int:
        """Delete what is over. See ``Store.clean``."""

        def clean(db: sqlite3.Connection) -> int:
            over = [
                db.execute("DELETE FROM codes WHERE valid_until < ?", (_text(now - TRIES_KEPT),)),
                db.execute("DELETE FROM attempts WHERE at < ?", (_text(now - TRIES_KEPT),)),
                db.execute(
                    "DELETE FROM sessions WHERE opened_at < ? AND (final_at IS NOT NULL OR cancelled = 1)",
                    (_text(keep_since),),
                ),
                db.execute("DELETE FROM unbindings WHERE at < ?", (_text(keep_since),)),
            ]
            return sum(cursor.rowcount for cursor in over)

        return await self._do(clean)

    async def _one(self, query: str, *parameters: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = await self._do(lambda db: db.execute(query, parameters).fetchone(), writes=False)
        return row

    async def _all(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        return await self._do(lambda db: db.execute(query, parameters).fetchall(), writes=False)


# rows


def _put(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Insert a row, or put it in the place of the one with its key. Names are constants of ours, never input."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    keys = [each["name"] for each in db.execute(f"PRAGMA table_info({table})") if each["pk"]]
    update = ", ".join(f"{name} = excluded.{name}" for name in row if name not in keys)
    conflict = f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {update}" if keys and update else ""
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}){conflict}", tuple(row.values()))  # noqa: S608


def _is_taken(db: sqlite3.Connection, code: str, now: datetime) -> bool:
    return (
        db.execute("SELECT 1 FROM codes WHERE code = ? AND valid_until >= ?", (code, _text(now))).fetchone() is not None
    )


def _add_code(db: sqlite3.Connection, session_id: str, code: str, valid_until: datetime) -> None:
    db.execute(
        "INSERT INTO codes SELECT ?, ?, ?, 1 + coalesce(max(number), 0) FROM codes WHERE session = ?",
        (session_id, code, _text(valid_until), session_id),
    )


def _enrolled(db: sqlite3.Connection, session_id: str, student_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM enrolled WHERE folded = ? AND session = ?", (student_id.casefold(), session_id)
    ).fetchone()
    return row


def _session_row(session: Session) -> dict[str, Any]:
    row = asdict(session)
    del row["place"]
    place = {
        "latitude": session.place.latitude,
        "longitude": session.place.longitude,
        "accuracy": session.place.accuracy,
    }
    times = {name: _text(getattr(session, name)) for name in ("opened_at", "closes_at")}
    maybe = {name: _maybe_text(getattr(session, name)) for name in ("ended_at", "reported_at", "final_at")}
    batches = json.dumps(session.batches, ensure_ascii=False)
    return {**row, **place, **times, **maybe, "batches": batches, "cancelled": int(session.cancelled)}


def _session(row: sqlite3.Row) -> Session:
    return Session(
        id=row["id"],
        teacher=row["teacher"],
        campus=row["campus"],
        subject=row["subject"],
        batches=tuple(json.loads(row["batches"])),
        date=row["date"],
        place=Place(row["latitude"], row["longitude"], row["accuracy"]),
        opened_at=datetime.fromisoformat(row["opened_at"]),
        closes_at=datetime.fromisoformat(row["closes_at"]),
        rotate_seconds=row["rotate_seconds"],
        ended_at=_maybe_time(row["ended_at"]),
        cancelled=bool(row["cancelled"]),
        reported_at=_maybe_time(row["reported_at"]),
        final_at=_maybe_time(row["final_at"]),
    )


def _sheets(db: sqlite3.Connection, where: str, *parameters: object) -> list[Sheet]:
    rows = db.execute(f"SELECT * FROM sheets WHERE {where} ORDER BY session, batch", parameters).fetchall()  # noqa: S608
    return [_sheet(db, row) for row in rows]


def _sheet(db: sqlite3.Connection, row: sqlite3.Row) -> Sheet:
    key = (row["session"], row["batch"])
    roster = db.execute("SELECT * FROM enrolled WHERE session = ? AND batch = ? ORDER BY position", key)
    marks: Iterable[sqlite3.Row] = db.execute("SELECT * FROM marks WHERE session = ? AND batch = ?", key)
    return Sheet(
        session=row["session"],
        campus=row["campus"],
        batch=row["batch"],
        subject=row["subject"],
        date=row["date"],
        teacher=row["teacher"],
        roster=tuple(Enrolled(each["student_id"], each["name"], each["batch"], each["email"]) for each in roster),
        marks={each["student_id"]: _mark(each) for each in marks},
        version=row["version"],
        acked_version=row["acked_version"],
        in_lms=bool(row["in_lms"]),
        refused=row["refused"],
    )


def _mark(row: sqlite3.Row) -> Mark:
    at = datetime.fromisoformat(row["at"])
    return Mark(row["student_id"], Status(row["status"]), at, row["by_teacher"], row["reason"])


def _check_in_row(check_in: CheckIn) -> dict[str, Any]:
    times = {"code_at": _text(check_in.code_at), "updated_at": _maybe_text(check_in.updated_at)}
    return asdict(check_in) | times | {"step": check_in.step.value}


def _check_in(row: sqlite3.Row) -> CheckIn:
    return CheckIn(
        session=row["session"],
        student_id=row["student_id"],
        telegram_id=row["telegram_id"],
        step=Step(row["step"]),
        code_at=datetime.fromisoformat(row["code_at"]),
        note=row["note"],
        distance=row["distance"],
        accuracy=row["accuracy"],
        updated_at=_maybe_time(row["updated_at"]),
    )


def _binding(row: sqlite3.Row) -> Binding:
    return Binding(row["telegram_id"], row["student_id"], datetime.fromisoformat(row["bound_at"]))


def _text(at: datetime) -> str:
    """Return a time as text of one length, so that texts compare as times do; all of ours are UTC."""
    return at.isoformat(timespec="microseconds")


def _maybe_text(at: datetime | None) -> str | None:
    return _text(at) if at is not None else None


def _maybe_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
