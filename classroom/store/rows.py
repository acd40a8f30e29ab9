"""The classroom's records as rows of SQLite. Names are our own constants, never input."""

import json
from collections.abc import Mapping
from enum import StrEnum
from sqlite3 import Connection, Row
from typing import Any, TypeVar

from classroom.domain.sessions import Mark, Sheet
from classroom.store.plain import Fields, parse, plain, reading

Kind = TypeVar("Kind")

JSON = {"place", "batches", "face", "rivals", "read_back"}  # columns
_IN = "IN (SELECT value FROM json_each(?))"
OPERATORS = {"": "IS ?", "ne": "IS NOT ?", "lt": "< ?", "gt": "> ?", "gte": ">= ?", "in": _IN}


def columns(values: Mapping[str, Any]) -> Fields:
    """Return values as columns have them: lists and dictionaries as JSON."""
    found = {name: plain(value) for name, value in values.items()}
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for name, value in found.items()
    }


def condition(where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the WHERE of conditions as ``Records`` takes them, and its parameters."""
    # constants are written into the statement: otherwise SQLite can't use a partial index over them
    constants = {name: each.value for name, each in where.items() if isinstance(each, StrEnum)}
    others = columns({name: each for name, each in where.items() if name not in constants})
    terms = [f"{name} = '{each}'" for name, each in constants.items()]
    terms += [f"{name} {OPERATORS[operator]}" for name, _, operator in (each.partition("__") for each in others)]
    return f"WHERE {' AND '.join(terms)}" if terms else "", list(others.values())


def order_by(order: str) -> str:
    """Return the ORDER BY of an order as ``Records`` takes it. A name with a dot is a value in a column of JSON."""
    terms = []
    for each in order.split():
        column, _, path = each.removeprefix("-").partition(".")
        term = f"json_extract({column}, '$.{path}')" if path else column
        terms.append(f"{term} DESC" if each.startswith("-") else term)
    return f"ORDER BY {', '.join(terms)}" if terms else ""


def insert(db: Connection, table: str, values: Mapping[str, Any]) -> bool:
    """Insert a row; False: its key, or another unique value, is taken."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    return db.execute(statement, tuple(columns(values).values())).rowcount == 1


def update(db: Connection, table: str, changes: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Change some columns of the rows that meet the conditions; False: there are none."""
    assignments = ", ".join(f"{name} = ?" for name in changes)
    which, parameters = condition(where)
    statement = f"UPDATE {table} SET {assignments} {which}"  # noqa: S608
    return db.execute(statement, (*columns(changes).values(), *parameters)).rowcount > 0


def read(db: Connection, kind: type[Kind], query: str, *parameters: object) -> list[Kind]:
    return [_record(db, kind, row) for row in db.execute(query, parameters).fetchall()]


def first(db: Connection, kind: type[Kind], query: str, *parameters: object) -> Kind | None:
    found = read(db, kind, query, *parameters)
    return found[0] if found else None


def _record(db: Connection, kind: type[Kind], row: Row) -> Kind:
    with reading(kind):
        values = {name: json.loads(each or "null") if name in JSON else each for name, each in dict(row).items()}
    if kind is Sheet:
        key = (row["session"], row["batch"])
        roster = db.execute("SELECT * FROM enrolled WHERE session = ? AND batch = ? ORDER BY position", key)
        marks = read(db, Mark, 'SELECT *, by_teacher AS "by" FROM marks WHERE session = ? AND batch = ?', *key)
        values |= {"roster": [dict(each) for each in roster], "marks": {mark.student_id: mark for mark in marks}}
    return parse(kind, values)
