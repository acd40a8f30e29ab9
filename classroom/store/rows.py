"""The classroom's records as rows of SQLite."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from classroom.domain.sessions import Binding, CheckIn, Consent, Mark, Session, Sheet, Teacher, Template, folded
from classroom.store import Correction, account_hash
from classroom.store.plain import fields_of, parse, parse_check_in, reading

Row = dict[str, Any]
Kind = TypeVar("Kind")


def put(db: sqlite3.Connection, table: str, row: Row) -> None:
    """Insert a row, or replace the one with its key. Names are our own constants, never input."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    keys = [each["name"] for each in db.execute(f"PRAGMA table_info({table})") if each["pk"]]
    update = ", ".join(f"{name} = excluded.{name}" for name in row if name not in keys)
    conflict = f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {update}" if keys and update else ""
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}){conflict}", tuple(row.values()))  # noqa: S608


def first(db: sqlite3.Connection, parse: Callable[[sqlite3.Row], Kind], query: str, *parameters: object) -> Kind | None:
    """Return the record of the first row of a query; None: there is none."""
    row = db.execute(query, parameters).fetchone()
    return parse(row) if row is not None else None


def _reader(kind: type[Kind], table: str) -> Callable[[sqlite3.Row], Kind]:
    return lambda row: parse(kind, table, dict(row))


teacher_from = _reader(Teacher, "teachers")
binding_from = _reader(Binding, "bindings")
consent_from = _reader(Consent, "consents")
correction_from = _reader(Correction, "corrections")
template_from = _reader(Template, "templates")


def session_row(session: Session) -> Row:
    """Return a session's row: its place as a JSON object, its batches as a JSON list."""
    row = fields_of(session)
    place = json.dumps(row["place"]) if row["place"] is not None else None
    return {**row, "place": place, "batches": json.dumps(session.batches, ensure_ascii=False)}


def session_from(row: sqlite3.Row) -> Session:
    with reading("sessions"):
        place = json.loads(row["place"]) if row["place"] is not None else None
        batches = json.loads(row["batches"])
    return parse(Session, "sessions", {**dict(row), "place": place, "batches": batches})


def sheets_where(db: sqlite3.Connection, where: str, *parameters: object) -> list[Sheet]:
    """Return the sheets with their rosters and marks. The condition is our own constant, never input."""
    rows = db.execute(f"SELECT * FROM sheets WHERE {where} ORDER BY session, batch", parameters).fetchall()  # noqa: S608
    return [_sheet(db, row) for row in rows]


def _sheet(db: sqlite3.Connection, row: sqlite3.Row) -> Sheet:
    key = (row["session"], row["batch"])
    roster = db.execute("SELECT * FROM enrolled WHERE session = ? AND batch = ? ORDER BY position", key)
    marks = db.execute("SELECT * FROM marks WHERE session = ? AND batch = ?", key)
    by_student = {mark["student_id"]: {**dict(mark), "by": mark["by_teacher"]} for mark in marks}
    with reading("sheets"):
        read_back = json.loads(row["read_back"] or "null")
    found = {"roster": [dict(each) for each in roster], "marks": by_student, "read_back": read_back}
    return parse(Sheet, "sheets", dict(row) | found)


def mark_from(row: sqlite3.Row) -> Mark:
    return parse(Mark, "marks", {**dict(row), "by": row["by_teacher"]})


def check_in_row(check_in: CheckIn) -> Row:
    """Return a check-in's row: its face check and its rivals as JSON."""
    row = fields_of(check_in)
    face = json.dumps(row["face"]) if row["face"] is not None else None
    return row | {"face": face, "rivals": json.dumps(row["rivals"])}


def check_in_from(row: sqlite3.Row) -> CheckIn:
    with reading("check_ins"):
        face = json.loads(row["face"]) if row["face"] is not None else None
        rivals = json.loads(row["rivals"])
    return parse_check_in(dict(row) | {"rivals": rivals}, face)


def binding_row(binding: Binding) -> Row:
    return fields_of(binding) | {"folded": folded(binding.student_id), "account": account_hash(binding.telegram_id)}


def template_row(template: Template) -> Row:
    """Return a template's row. Its key is the folded student ID."""
    return {**fields_of(template), "folded": folded(template.student_id)}
