"""The classroom's dataclasses as plain values and back, in the same way for both databases.

Times are text in UTC, of one length, so that texts compare as times do. What a database returns is parsed by pydantic;
a value that does not fit raises StoreDamaged, whose text names the table and the field and never a value.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from classroom.domain.sessions import CheckIn, FaceCheck
from classroom.store import StoreDamaged, Tokens
from core.encryption import Cipher

Kind = TypeVar("Kind")
Fields = dict[str, Any]


def text_of(at: datetime) -> str:
    """Return a time as the databases keep it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def fields_of(record: Any) -> Fields:
    """Return a dataclass's fields as plain values."""
    return {name: _plain(value) for name, value in asdict(record).items()}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case datetime():
            return text_of(value)
        case Enum():
            return value.value
    return value


@contextmanager
def reading(table: str) -> Iterator[None]:
    """Raise StoreDamaged for a record of this table that can't be parsed."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        raise StoreDamaged(_damaged(table, f"{first['loc'][0] if first['loc'] else 'all'}: {first['type']}")) from None
    except KeyError as error:
        raise StoreDamaged(_damaged(table, f"{error.args[0]} is missing")) from None
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise StoreDamaged(_damaged(table, type(error).__name__)) from None


def _damaged(table: str, why: str) -> str:
    return f"a record of '{table}' is not as this program writes it ({why})"


def parse(kind: type[Kind], table: str, values: Mapping[str, Any]) -> Kind:
    """Return the dataclass of these values; all of its fields have to be there. Raises StoreDamaged."""
    with reading(table):
        wanted: Any = kind
        adapter, names = _parser(wanted)
        found: Kind = adapter.validate_python({name: values[name] for name in names})
    return found


@cache
def _parser(kind: type[Any]) -> tuple[TypeAdapter[Any], tuple[str, ...]]:
    return TypeAdapter(kind), tuple(each.name for each in fields(kind))


def parse_check_in(values: Mapping[str, Any], face: Mapping[str, Any] | None) -> CheckIn:
    """Return the check-in of these values, with its face check. Raises StoreDamaged."""
    checked = parse(FaceCheck, "check_ins", face) if face is not None else None
    return parse(CheckIn, "check_ins", {**values, "face": checked})


def owner_hash(owner: str) -> str:
    """Return what is stored of the check that used a recording: enough to recognise it, without a student's ID."""
    return hashlib.blake2b(f"check {owner}".encode(), digest_size=16).hexdigest()


def seal_tokens(cipher: Cipher, tokens: Tokens) -> str:
    return cipher.encrypt(json.dumps([tokens.access, tokens.refresh, tokens.password]))


def open_tokens(cipher: Cipher, sealed: str) -> Tokens:
    return Tokens(*json.loads(cipher.decrypt(sealed)))
