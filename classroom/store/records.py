"""Operations on records that each database implements in its own way, and the records that only the store knows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from classroom.domain.sessions import folded
from core.encryption import Digest

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class SealedTokens:
    """A teacher's ``Tokens`` as they are stored: encrypted."""

    telegram_id: int
    secrets: str


@dataclass(frozen=True)
class UsedNote:
    """A recording that a check has used; ``owner`` is enough to recognise the check, without a student's ID."""

    fingerprint: str
    owner: str
    at: datetime


@dataclass(frozen=True)
class Attempt:
    """A wrong code or ID, see ``WrongTry``; ``folded`` is the student ID that was typed."""

    telegram_id: int
    folded: str
    at: datetime
    code_of: str = ""


def account_hash(telegram_id: int, digest: Digest) -> str:
    """Return the keyed hash by which a Telegram account is recognised after its data were deleted."""
    return keyed_hash(f"telegram account {telegram_id}", digest)


def taken_hash(student_id: str, digest: Digest) -> str:
    """Return the keyed hash by which a student ID is recognised after its account's data were deleted."""
    return keyed_hash(f"student {folded(student_id)}", digest)


def alias_of(telegram_id: int, digest: Digest) -> int:
    """Return the number under which an account's wrong tries stay, for their hour, after its data were deleted."""
    return -int(account_hash(telegram_id, digest)[:15], 16)


def keyed_hash(text: str, digest: Digest) -> str:
    """Return the keyed hash of an unkeyed one: databases of older versions had the latter, and are given the key."""
    return digest(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


class Records(Protocol):
    """Operations on records of the kinds in ``plain.TABLES``. Each is atomic, and may raise StoreUnavailable.

    Conditions are equalities of fields, or ``field__ne``, ``field__lt``, ``field__gt``, ``field__gte`` and
    ``field__in``. An order is a list of fields, each with "-" before it for the descending order.
    """

    async def every(self, kind: type[Kind], /, order: str = "", limit: int = 0, **where: Any) -> list[Kind]: ...
    async def count(self, kind: type[Any], /, **where: Any) -> int: ...

    async def update(self, kind: type[Any], /, changes: Mapping[str, Any], **where: Any) -> bool:
        """Change fields of a record that meets the conditions; False: there is none."""

    async def insert(self, record: Any, /) -> bool:
        """Store a new record; False: its key, or another unique value, is taken."""

    async def replace(self, record: Any, /, **when: Any) -> bool:
        """Replace the record with this one's key; False: there is none that meets the conditions."""

    async def delete(self, kind: type[Any], /, **where: Any) -> int: ...  # returns how many

    async def put(self, record: Any) -> None:
        while not (await self.replace(record) or await self.insert(record)):
            pass  # another call has inserted it meanwhile

    async def first(self, kind: type[Kind], /, order: str = "", **where: Any) -> Kind | None:
        found = await self.every(kind, order, 1, **where)
        return found[0] if found else None

    async def _kept(self, record: Kind, /, **key: Any) -> Kind:
        """Store a new record, or return the one that has its key."""
        while not await self.insert(record):
            existing = await self.first(type(record), **key)
            if existing is not None:  # else it was deleted meanwhile
                return existing
        return record
