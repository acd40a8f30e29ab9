"""Students and invitation codes, in two JSON files that survive a crash at any moment.

A change is on disk before the method that made it returns. Readers never wait: they see the last whole state.
"""

import logging
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from core.clock import Clock, SystemClock
from core.encryption import Cipher
from core.json_file import SCHEMA, JsonFile

log = logging.getLogger(__name__)

Mode = Literal["automatic", "manual"]

CODE_LENGTH = 8
INVITATION_DAYS = 14  # how long a code waits to be redeemed
NOBODY = 0  # who used a code and had their data deleted
# Without I, L, O, 0 and 1, which look alike on a screen and on paper.
CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


class StorageError(Exception):
    """A change that can't be made. Permanent, except for StorageUnavailable."""


class UnknownCode(StorageError):
    """There is no such invitation code."""


class CodeUsed(StorageError):
    """The invitation code was redeemed before."""


class CodeRevoked(StorageError):
    """An admin has revoked the invitation code before it was redeemed."""


class CodeExpired(StorageError):
    """The invitation code was not redeemed in time."""


class UsernameTaken(StorageError):
    """Another Telegram account has registered this portal account."""


class AlreadyRegistered(StorageError):
    """This Telegram account has a portal account already."""


class NotRegistered(StorageError):
    """This Telegram account has no student."""


class StorageUnavailable(StorageError):
    """The files can't be written now: disk full, permissions (try again). Nothing was changed."""


@dataclass(frozen=True)
class Student:
    """One registered student. ``password`` is ciphertext; ``Storage.password`` opens it."""

    telegram_id: int
    username: str
    password: str
    mode: Mode
    monitoring: bool
    invitation_code: str
    registered_at: str
    schema: int = SCHEMA

    def __repr__(self) -> str:
        """Leave the password out, ciphertext or not."""
        return f"Student({self.telegram_id}, {self.username!r}, {self.mode}, monitoring={self.monitoring})"


@dataclass(frozen=True)
class Invitation:
    """One invitation code; the two ``used`` fields are None until it is redeemed, ``note`` says for whom it is."""

    created_by: int
    created_at: str
    used_by: int | None
    used_at: str | None
    note: str = ""
    revoked_at: str | None = None
    schema: int = SCHEMA


def account_key(username: str) -> str:
    """Return what two spellings of one portal account share: `A_Student` and `a_student@kbtu.kz` are one."""
    return username.strip().casefold().partition("@")[0]


def normalise_code(text: str) -> str:
    """Return a typed code as it is stored: capitals, without the spaces and dashes people put in."""
    return re.sub(r"[\s-]", "", text).upper()


class Storage:
    """Thread-safe store of students and invitations in ``data_dir``."""

    def __init__(
        self,
        data_dir: Path,
        cipher: Cipher,
        clock: Clock | None = None,
        choose: Callable[[Sequence[str]], str] = secrets.choice,
        invitation_days: int = INVITATION_DAYS,
    ) -> None:
        """Open the store; make the folder (0700) and empty files (0600) where there are none.

        Codes that nobody has redeemed within ``invitation_days`` are refused.

        Raises:
            EncryptionKeyError: students are there, and the cipher can't read their passwords.
            StorageUnavailable: the folder can't be written.
            SchemaTooNew: a newer version of this program wrote the files.
        """
        self._cipher = cipher
        self._choose = choose
        self._invitations_last = timedelta(days=invitation_days)
        self._clock = clock or SystemClock()
        self._writing = threading.Lock()
        self.trouble = ""  # why the last write failed; empty where it did not
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            data_dir.chmod(0o700)
            self._students_file = JsonFile(data_dir / "students.json", _student)
            self._invitations_file = JsonFile(data_dir / "invitations.json", _invitation)
            self._students: Mapping[str, Student] = self._students_file.load()
            self._invitations: Mapping[str, Invitation] = self._invitations_file.load()
            self._finish_interrupted_redeems()
        except OSError as error:
            raise StorageUnavailable(f"DATA_DIR: '{data_dir}' can't be used ({error})") from error
        for student in self._students.values():
            cipher.decrypt(student.password)

    @staticmethod
    def holds_students(data_dir: Path) -> bool:
        """Say whether ciphertext is there, before any key is made: anything but an empty students file counts."""
        files = (data_dir / "students.json", data_dir / "students.json.copy")
        return any(path.exists() and path.read_bytes().strip() != b"{}" for path in files)

    # reading

    def student(self, telegram_id: int) -> Student | None:
        """Return the student of this Telegram account."""
        return self._students.get(str(telegram_id))

    def students(self) -> list[Student]:
        """Return all students in the order in which they registered."""
        return sorted(self._students.values(), key=lambda student: (student.registered_at, student.telegram_id))

    def invitation(self, code: str) -> Invitation | None:
        """Return the invitation of a normalised code."""
        return self._invitations.get(code)

    def invitations(self) -> dict[str, Invitation]:
        """Return all invitations by code."""
        return dict(self._invitations)

    def expires_at(self, invitation: Invitation) -> datetime:
        """Return until when an unused code can be redeemed."""
        return datetime.fromisoformat(invitation.created_at) + self._invitations_last

    def password(self, telegram_id: int) -> str:
        """Return the portal password in the clear; the caller keeps it out of logs, texts and files.

        Raises:
            NotRegistered: there is no such student.
        """
        return self._cipher.decrypt(self._registered(telegram_id).password)

    def check_code(self, code: str) -> None:
        """Raise UnknownCode, CodeUsed, CodeRevoked or CodeExpired where this code can't be redeemed."""
        invitation = self._invitations.get(code)
        if invitation is None:
            raise UnknownCode(code)
        if invitation.used_by is not None:
            raise CodeUsed(code)
        if invitation.revoked_at is not None:
            raise CodeRevoked(code)
        if self.expires_at(invitation) <= self._clock.now():
            raise CodeExpired(code)

    def check_username(self, telegram_id: int, username: str) -> None:
        """Raise UsernameTaken where another Telegram account has this portal account."""
        taken_by = {account_key(s.username): s.telegram_id for s in self._students.values()}
        if taken_by.get(account_key(username), telegram_id) != telegram_id:
            raise UsernameTaken(username)

    # changing: each method is one change, on disk when it returns

    def create_invitation(self, created_by: int) -> str:
        """Make a one-time code and return it.

        Raises:
            StorageUnavailable: it could not be written; there is no new code then.
        """
        with self._writing:
            code = self._new_code()
            while code in self._invitations:
                code = self._new_code()
            invitation = Invitation(created_by, self._now(), used_by=None, used_at=None)
            self._write_invitations({**self._invitations, code: invitation})
            return code

    def set_note(self, code: str, note: str) -> Invitation:
        """Say for whom a code is. Raises UnknownCode, StorageUnavailable."""
        return self._change_invitation(code, lambda invitation: replace(invitation, note=note))

    def revoke(self, code: str) -> Invitation:
        """Make an unused code worthless; a second time changes nothing.

        Raises:
            UnknownCode, CodeUsed: there is nothing to revoke.
            StorageUnavailable: it could not be written; the code can still be redeemed.
        """

        def revoked(invitation: Invitation) -> Invitation:
            if invitation.used_by is not None:
                raise CodeUsed(code)
            return invitation if invitation.revoked_at else replace(invitation, revoked_at=self._now())

        return self._change_invitation(code, revoked)

    def redeem(self, code: str, telegram_id: int, username: str, password: str) -> Student:
        """Turn a code into a student, as one operation: one code, one Telegram account, one portal account.

        The student is written first; a crash before the code is marked as used is repaired at the next start.

        Raises:
            UnknownCode, CodeUsed, CodeRevoked, CodeExpired, UsernameTaken, AlreadyRegistered: nothing was changed.
            StorageUnavailable: the student could not be written; nothing was changed.
        """
        encrypted = self._cipher.encrypt(password)
        with self._writing:
            if str(telegram_id) in self._students:
                raise AlreadyRegistered(str(telegram_id))
            self.check_code(code)
            self.check_username(telegram_id, username)
            student = Student(telegram_id, username, encrypted, "automatic", False, code, self._now())
            self._write_students({**self._students, str(telegram_id): student})
            used = replace(self._invitations[code], used_by=telegram_id, used_at=student.registered_at)
            self._mend_invitation(code, used)
            return student

    def set_mode(self, telegram_id: int, mode: Mode) -> Student:
        """Change how a student is marked. Raises NotRegistered, StorageUnavailable."""
        return self._change(telegram_id, lambda student: replace(student, mode=mode))

    def set_monitoring(self, telegram_id: int, monitoring: bool) -> Student:
        """Record whether the student wants to be watched. Raises NotRegistered, StorageUnavailable."""
        return self._change(telegram_id, lambda student: replace(student, monitoring=monitoring))

    def set_password(self, telegram_id: int, password: str) -> Student:
        """Replace the portal password. Raises NotRegistered, StorageUnavailable."""
        encrypted = self._cipher.encrypt(password)
        return self._change(telegram_id, lambda student: replace(student, password=encrypted))

    def remove(self, telegram_id: int) -> Student:
        """Forget a student, the password with it; the code stays used. Raises NotRegistered, StorageUnavailable."""
        with self._writing:
            student = self._registered(telegram_id)
            self._write_students({key: each for key, each in self._students.items() if key != str(telegram_id)})
            return student

    def move(self, telegram_id: int, new_telegram_id: int) -> Student:
        """Hand a student's record to another Telegram account, as one write; the code's ``used_by`` follows.

        A crash before the code is written is repaired at the next start.

        Raises:
            NotRegistered, AlreadyRegistered: there is no such student, or the other account has one.
            StorageUnavailable: the students could not be written; nothing was changed.
        """
        with self._writing:
            moved = replace(self._registered(telegram_id), telegram_id=new_telegram_id)
            if str(new_telegram_id) in self._students:
                raise AlreadyRegistered(str(new_telegram_id))
            others = {key: each for key, each in self._students.items() if key != str(telegram_id)}
            self._write_students({**others, str(new_telegram_id): moved})
            invitation = self._invitations.get(moved.invitation_code)
            if invitation is not None:
                self._mend_invitation(moved.invitation_code, replace(invitation, used_by=new_telegram_id))
            return moved

    def erase(self, telegram_id: int) -> Student:
        """Forget a student who asked for it: as ``remove``, and the code, which stays used, names nobody any more.

        Raises:
            NotRegistered: there is no such student.
            StorageUnavailable: not everything could be written; a second try goes on from there.
        """
        with self._writing:
            student = self._registered(telegram_id)
            invitations = {
                code: replace(each, used_by=NOBODY, note="") if each.used_by == telegram_id else each
                for code, each in self._invitations.items()
            }
            if invitations != self._invitations:
                self._write_invitations(invitations)
            self._write_students({key: each for key, each in self._students.items() if key != str(telegram_id)})
            return student

    # within

    def _mend_invitation(self, code: str, invitation: Invitation) -> None:
        # In memory at once, whatever becomes of the file.
        self._invitations = MappingProxyType({**self._invitations, code: invitation})
        try:
            self._write_invitations(self._invitations)
        except StorageUnavailable:
            log.exception("code of student %s is brought up to date at the next write or start", invitation.used_by)

    def _change_invitation(self, code: str, change: Callable[[Invitation], Invitation]) -> Invitation:
        with self._writing:
            invitation = self._invitations.get(code)
            if invitation is None:
                raise UnknownCode(code)
            changed = change(invitation)
            if changed != invitation:
                self._write_invitations({**self._invitations, code: changed})
            return changed

    def _change(self, telegram_id: int, change: Callable[[Student], Student]) -> Student:
        with self._writing:
            changed = change(self._registered(telegram_id))
            self._write_students({**self._students, str(telegram_id): changed})
            return changed

    def _registered(self, telegram_id: int) -> Student:
        student = self._students.get(str(telegram_id))
        if student is None:
            raise NotRegistered(str(telegram_id))
        return student

    def _finish_interrupted_redeems(self) -> None:
        repaired = dict(self._invitations)
        for student in self._students.values():
            invitation = repaired.get(student.invitation_code)
            if invitation is None or invitation.used_by == student.telegram_id:
                continue
            repaired[student.invitation_code] = replace(
                invitation, used_by=student.telegram_id, used_at=student.registered_at
            )
            log.warning("code of student %s was not marked as used; mended", student.telegram_id)
        if repaired != self._invitations:
            self._write_invitations(repaired)

    def _write_students(self, students: Mapping[str, Student]) -> None:
        self._save(self._students_file, students)
        self._students = MappingProxyType(dict(students))

    def _write_invitations(self, invitations: Mapping[str, Invitation]) -> None:
        self._save(self._invitations_file, invitations)
        self._invitations = MappingProxyType(dict(invitations))

    def _save(self, file: JsonFile[Any], records: Mapping[str, Any]) -> None:
        try:
            file.save(records)
        except OSError as error:
            self.trouble = f"'{file.path}' can't be written ({error.strerror})"
            raise StorageUnavailable(self.trouble) from error
        self.trouble = ""

    def _new_code(self) -> str:
        return "".join(self._choose(CODE_ALPHABET) for _ in range(CODE_LENGTH))

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="seconds")


def _student(record: dict[str, Any]) -> Student:
    kinds = {"telegram_id": int, "monitoring": bool, "schema": int}
    student = Student(**{name: _of_kind(record[name], kinds.get(name, str)) for name in Student.__dataclass_fields__})
    if student.mode not in ("automatic", "manual"):
        raise ValueError("mode")
    return student


def _invitation(record: dict[str, Any]) -> Invitation:
    return Invitation(
        created_by=_of_kind(record["created_by"], int),
        created_at=_time(record["created_at"]),
        used_by=None if record["used_by"] is None else _of_kind(record["used_by"], int),
        used_at=None if record["used_at"] is None else _of_kind(record["used_at"], str),
        note=_of_kind(record["note"], str),
        revoked_at=None if record["revoked_at"] is None else _of_kind(record["revoked_at"], str),
        schema=_of_kind(record["schema"], int),
    )


def _time(value: Any) -> str:
    """Return a time that can be reckoned with. Raises TypeError, ValueError."""
    if datetime.fromisoformat(_of_kind(value, str)).tzinfo is None:
        raise ValueError("a time without an offset")
    return str(value)


def _of_kind(value: Any, kind: type) -> Any:
    """Return a value of exactly this type: what a hand has edited may be of any. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(kind.__name__)
    return value
