"""The classroom's records as plain values and back, in the same way for both databases.

Times are text in UTC, of one length, so that texts compare as times do. What a database returns is parsed by pydantic;
a value that does not fit raises StoreDamaged, whose text names the table and the field and never a value.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from classroom.domain.face_records import Consent, Template
from classroom.domain.sessions import Binding, CheckIn, Mark, Session, Sheet, Teacher, folded
from classroom.store import Correction, StoreDamaged
from classroom.store.records import Attempt, SealedTokens, UsedNote, account_hash, taken_hash
from core.encryption import Digest

Kind = TypeVar("Kind")
Fields = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Where the records of one kind are stored, and the fields of their key."""

    name: str
    key: tuple[str, ...] = ()


TABLES: dict[type[Any], Table] = {
    Teacher: Table("teachers", ("telegram_id",)),
    SealedTokens: Table("jwt_tokens", ("telegram_id",)),
    Session: Table("sessions", ("id",)),
    Sheet: Table("sheets", ("session", "batch")),
    Mark: Table("marks"),
    CheckIn: Table("check_ins", ("session", "student_id")),
    Consent: Table("consents", ("telegram_id",)),
    Template: Table("templates", ("folded",)),
    UsedNote: Table("used_notes", ("fingerprint",)),
    Correction: Table("corrections", ("session", "folded")),
    Binding: Table("bindings"),
    Attempt: Table("attempts"),
}


def text_of(at: datetime) -> str:
    """Return a time as the databases keep it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def plain(value: Any) -> Any:
    """Return a value, and the values in it, as text, numbers, lists and dictionaries."""
    match value:
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case datetime():
            return text_of(value)
        case Enum():
            return value.value
    return plain(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else value


def unkeyed(_text: str) -> str:
    raise ValueError("a binding is stored with keyed hashes")


def fields_of(record: Any, digest: Digest = unkeyed) -> Fields:
    """Return a record's fields as plain values, and what it is found by: the folded ID; of a binding keyed hashes."""
    found: Fields = plain(record)
    if isinstance(record, Binding | Template | Correction):
        found["folded"] = folded(record.student_id)
    if isinstance(record, Binding):
        found["account"] = account_hash(record.telegram_id, digest)
        found["taken"] = taken_hash(record.student_id, digest)
    return found


@contextmanager
def reading(kind: type[Any]) -> Iterator[None]:
    """Raise StoreDamaged for a record of this kind that can't be parsed."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        why = f"{first['loc'][0] if first['loc'] else 'all'}: {first['type']}"
    except KeyError as error:
        why = f"{error.args[0]} is missing"
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        why = type(error).__name__
    else:
        return
    raise StoreDamaged(f"a record of '{TABLES[kind].name}' is not as this program writes it ({why})") from None


def parse(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """Return the record of these values; all of its fields have to be there. Raises StoreDamaged."""
    with reading(kind):
        wanted: Any = kind
        found: Kind = _adapter(wanted).validate_python({each.name: values[each.name] for each in fields(wanted)})
    return found


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
