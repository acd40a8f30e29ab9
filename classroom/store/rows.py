"""What the classroom's things look like as rows of SQLite."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from classroom.domain.sessions import (
    Binding,
    CheckIn,
    CheckInStep,
    Consent,
    Enrolled,
    Mark,
    Place,
    Session,
    Sheet,
    Status,
    Template,
)
from classroom.store.face_checks import face_from, plain_face


def put(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Insert a row, or put it in the place of the one with its key. Names are constants of ours, never input."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    keys = [each["name"] for each in db.execute(f"PRAGMA table_info({table})") if each["pk"]]
    update = ", ".join(f"{name} = excluded.{name}" for name in row if name not in keys)
    conflict = f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {update}" if keys and update else ""
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}){conflict}", tuple(row.values()))  # noqa: S608


def is_taken(db: sqlite3.Connection, code: str, now: datetime) -> bool:
    """Say whether a code is a live one's."""
    return (
        db.execute("SELECT 1 FROM codes WHERE code = ? AND valid_until >= ?", (code, text_of(now))).fetchone()
        is not None
    )


def add_code(db: sqlite3.Connection, session_id: str, code: str, valid_until: datetime) -> None:
    """Give a session its newest code."""
    db.execute(
        "INSERT INTO codes SELECT ?, ?, ?, 1 + coalesce(max(number), 0) FROM codes WHERE session = ?",
        (session_id, code, text_of(valid_until), session_id),
    )


def enrolled_in(db: sqlite3.Connection, session_id: str, student_id: str) -> sqlite3.Row | None:
    """Return a student's place in a session's rosters (compared without case)."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM enrolled WHERE folded = ? AND session = ?", (student_id.casefold(), session_id)
    ).fetchone()
    return row


def session_row(session: Session) -> dict[str, Any]:
    """Return a session's row."""
    row = asdict(session)
    del row["place"]
    place = {
        "latitude": session.place.latitude,
        "longitude": session.place.longitude,
        "accuracy": session.place.accuracy,
    }
    times = {name: text_of(getattr(session, name)) for name in ("opened_at", "closes_at")}
    maybe = {name: _maybe_text(getattr(session, name)) for name in ("ended_at", "reported_at", "final_at")}
    batches = json.dumps(session.batches, ensure_ascii=False)
    return {**row, **place, **times, **maybe, "batches": batches, "cancelled": int(session.cancelled)}


def session_from(row: sqlite3.Row) -> Session:
    """Return the session of a row."""
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


def sheets_where(db: sqlite3.Connection, where: str, *parameters: object) -> list[Sheet]:
    """Return the sheets with their rosters and marks. The condition is a constant of ours, never input."""
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
        marks={each["student_id"]: mark_from(each) for each in marks},
        version=row["version"],
        acked_version=row["acked_version"],
        in_lms=bool(row["in_lms"]),
        refused=row["refused"],
    )


def mark_from(row: sqlite3.Row) -> Mark:
    """Return the mark of a row."""
    at = datetime.fromisoformat(row["at"])
    return Mark(row["student_id"], Status(row["status"]), at, row["by_teacher"], row["reason"])


def check_in_row(check_in: CheckIn) -> dict[str, Any]:
    """Return a check-in's row."""
    times = {"code_at": text_of(check_in.code_at), "updated_at": _maybe_text(check_in.updated_at)}
    face = plain_face(check_in.face)
    step = {"step": check_in.step.value, "face": json.dumps(face) if face is not None else None}
    return asdict(check_in) | times | step


def check_in_from(row: sqlite3.Row) -> CheckIn:
    """Return the check-in of a row."""
    return CheckIn(
        session=row["session"],
        student_id=row["student_id"],
        telegram_id=row["telegram_id"],
        step=CheckInStep(row["step"]),
        code_at=datetime.fromisoformat(row["code_at"]),
        note=row["note"],
        distance=row["distance"],
        accuracy=row["accuracy"],
        updated_at=_maybe_time(row["updated_at"]),
        face=face_from(json.loads(row["face"])) if row["face"] is not None else None,
    )


def binding_from(row: sqlite3.Row) -> Binding:
    """Return the binding of a row."""
    return Binding(row["telegram_id"], row["student_id"], datetime.fromisoformat(row["bound_at"]))


def consent_row(consent: Consent) -> dict[str, Any]:
    """Return a consent's row."""
    return asdict(consent) | {"given": int(consent.given), "at": text_of(consent.at)}


def consent_from(row: sqlite3.Row) -> Consent:
    """Return the consent of a row."""
    return Consent(row["telegram_id"], bool(row["given"]), datetime.fromisoformat(row["at"]), row["wording"])


def template_row(template: Template) -> dict[str, Any]:
    """Return a template's row."""
    row = asdict(template) | {"made_at": text_of(template.made_at)}
    return row | {"folded": template.student_id.casefold()}


def template_from(row: sqlite3.Row) -> Template:
    """Return the template of a row."""
    made_at = datetime.fromisoformat(row["made_at"])
    return Template(row["student_id"], row["engine"], row["photo_tag"], row["sealed"], made_at)


def text_of(at: datetime) -> str:
    """Return a time as text of one length, so that texts compare as times do; all of ours are UTC."""
    return at.isoformat(timespec="microseconds")


def _maybe_text(at: datetime | None) -> str | None:
    return text_of(at) if at is not None else None


def _maybe_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
