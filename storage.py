"""Thread-safe storage of students and invitation codes in two JSON files that survive a crash at any moment.

Each method writes its change to disk before it returns. Reads never wait: they return the last complete state.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, StrictBool, StrictInt, StrictStr, TypeAdapter

from core.clock import Clock, SystemClock
from core.encryption import Cipher
from core.json_file import SCHEMA, JsonFile, Record

log = logging.getLogger(__name__)

Mode = Literal["automatic", "manual"]

CODE_LENGTH = 8
INVITATION_DAYS = 14  # for which an unused code is valid
NOBODY = 0  # in ``used_by``: a student whose data was deleted
CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without I, L, O, 0 and 1, which are easily confused


class StorageError(Exception):
    """A change that is refused. Permanent, except for StorageUnavailable."""


class UnknownCode(StorageError):
    """There is no such invitation code."""


class CodeUsed(StorageError):
    """The invitation code was redeemed before."""


class CodeRevoked(StorageError):
    """An admin has revoked the invitation code."""


class CodeExpired(StorageError):
    """The invitation code was not redeemed in time."""


class UsernameTaken(StorageError):
    """Another Telegram account has registered this portal account."""


class AlreadyRegistered(StorageError):
    """This Telegram account has a portal account already."""


class NotRegistered(StorageError):
    """This Telegram account has no student."""


class StorageUnavailable(StorageError):
    """The files can't be written now, for example because the disk is full (try again). Nothing was changed."""


def _check_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without an offset")
    return text


# The fields are strict: a file that was edited by hand may contain values of any type.


@dataclass(frozen=True)
class Student:
    """One registered student. ``password`` is ciphertext; ``Storage.password`` decrypts it."""

    telegram_id: StrictInt
    username: StrictStr
    password: StrictStr
    mode: Mode
    monitoring: StrictBool
    invitation_code: StrictStr
    registered_at: StrictStr
    schema: StrictInt = SCHEMA

    def __repr__(self) -> str:
        """Omit the password, although it is encrypted."""
        return f"Student({self.telegram_id}, {self.username!r}, {self.mode}, monitoring={self.monitoring})"


@dataclass(frozen=True)
class Invitation:
    """One invitation code. ``used_by`` and ``used_at`` are None until it is redeemed; ``note`` says for whom it is."""

    created_by: StrictInt
    created_at: Annotated[StrictStr, AfterValidator(_check_time)]
    used_by: StrictInt | None
    used_at: StrictStr | None
    note: StrictStr = ""
    revoked_at: StrictStr | None = None
    schema: StrictInt = SCHEMA


def account_key(username: str) -> str:
    """Return the same key for each spelling of a portal account: `A_Student` and `a_student@kbtu.kz` are one."""
    return username.strip().casefold().partition("@")[0]


class Storage:
    """The students and invitations in ``data_dir``.

    A missing folder is made (0700) with empty files (0600). Codes that are not redeemed within ``invitation_days``
    are refused.

    Raises:
        EncryptionKeyError: the cipher can't decrypt the students' passwords.
        StorageUnavailable: the folder can't be written.
        SchemaTooNew, DataDamaged: a newer version of this program wrote the files, or they are damaged.
    """

    def __init__(
        self,
        data_dir: Path,
        cipher: Cipher,
        clock: Clock | None = None,
        choose: Callable[[Sequence[str]], str] = secrets.choice,
        invitation_days: int = INVITATION_DAYS,
    ) -> None:
        self._cipher = cipher
        self._choose = choose
        self._invitations_last = timedelta(days=invitation_days)
        self._clock = clock or SystemClock()
        self._writing = threading.Lock()
        self.trouble = ""  # why the last write failed; empty if it did not
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            data_dir.chmod(0o700)
            self._students_file = JsonFile(data_dir / "students.json", TypeAdapter(Student).validate_python)
            self._invitations_file = JsonFile(data_dir / "invitations.json", TypeAdapter(Invitation).validate_python)
            self._students: Mapping[str, Student] = self._students_file.load()
            self._invitations: Mapping[str, Invitation] = self._invitations_file.load()
            self._repair_used_codes()
        except OSError as error:
            raise StorageUnavailable(f"DATA_DIR: '{data_dir}' can't be used ({error})") from error
        for student in self._students.values():
            cipher.decrypt(student.password)

    @staticmethod
    def holds_students(data_dir: Path) -> bool:
        """Say whether there may be ciphertext, before a key is made: anything but an empty students file counts."""
        files = (data_dir / "students.json", data_dir / "students.json.copy")
        return any(path.exists() and path.read_bytes().strip() != b"{}" for path in files)

    def student(self, telegram_id: int) -> Student | None:
        return self._students.get(str(telegram_id))

    def students(self) -> list[Student]:
        """Return all students in the order in which they registered."""
        return sorted(self._students.values(), key=lambda student: (student.registered_at, student.telegram_id))

    def invitation(self, code: str) -> Invitation | None:
        return self._invitations.get(code)

    def invitations(self) -> dict[str, Invitation]:
        return dict(self._invitations)

    def expires_at(self, invitation: Invitation) -> datetime:
        return datetime.fromisoformat(invitation.created_at) + self._invitations_last

    def password(self, telegram_id: int) -> str:
        """Return the portal password; the caller must keep it out of logs, texts and files. Raises NotRegistered."""
        return self._cipher.decrypt(self._registered(telegram_id).password)

    def check_code(self, code: str) -> None:
        """Raise UnknownCode, CodeUsed, CodeRevoked or CodeExpired where this code can't be redeemed."""
        if (invitation := self._invitations.get(code)) is None:
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

    def create_invitation(self, created_by: int) -> str:
        """Create a one-time code and return it. Raises StorageUnavailable: there is no new code then."""
        with self._writing:
            while (code := "".join(self._choose(CODE_ALPHABET) for _ in range(CODE_LENGTH))) in self._invitations:
                pass  # taken: choose another one
            invitation = Invitation(created_by, self._now(), used_by=None, used_at=None)
            self._write_invitations({**self._invitations, code: invitation})
            return code

    def set_note(self, code: str, note: str) -> Invitation:
        """Note for whom a code is. Raises UnknownCode, StorageUnavailable."""
        return self._change_invitation(code, lambda invitation: replace(invitation, note=note))

    def revoke(self, code: str) -> Invitation:
        """Revoke an unused code; a second time changes nothing. Raises UnknownCode, CodeUsed, StorageUnavailable."""

        def revoked(invitation: Invitation) -> Invitation:
            if invitation.used_by is not None:
                raise CodeUsed(code)
            return invitation if invitation.revoked_at else replace(invitation, revoked_at=self._now())

        return self._change_invitation(code, revoked)

    def redeem(self, code: str, telegram_id: int, username: str, password: str) -> Student:
        """Add the student, then mark the code as used; after a crash in between the next start marks it.

        Raises UnknownCode, CodeUsed, CodeRevoked, CodeExpired, UsernameTaken, AlreadyRegistered or StorageUnavailable;
        nothing was changed then.
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
            self._update_invitation(code, used)
            return student

    def set_mode(self, telegram_id: int, mode: Mode) -> Student:
        """Change a student's mode. Raises NotRegistered, StorageUnavailable."""
        return self._change(telegram_id, lambda student: replace(student, mode=mode))

    def set_monitoring(self, telegram_id: int, monitoring: bool) -> Student:
        """Store whether the student wants to be monitored. Raises NotRegistered, StorageUnavailable."""
        return self._change(telegram_id, lambda student: replace(student, monitoring=monitoring))

    def set_password(self, telegram_id: int, password: str, username: str = "") -> Student:
        """Replace the portal password, and the username if one is given.

        Raises NotRegistered, UsernameTaken, StorageUnavailable.
        """
        encrypted = self._cipher.encrypt(password)

        def changed(student: Student) -> Student:
            self.check_username(telegram_id, username)
            return replace(student, password=encrypted, username=username or student.username)

        return self._change(telegram_id, changed)

    def keep_only(self, telegram_id: int, username: str, password: str) -> Student | None:
        """Make the only student have this account, which the settings name; mode and monitoring stay as they are.

        Returns the record before, None if there was none. Raises StorageUnavailable.
        """
        encrypted = self._cipher.encrypt(password)
        with self._writing:
            before = self._students.get(str(telegram_id)) or next(iter(self._students.values()), None)
            if before is not None and self._cipher.decrypt(before.password) == password:
                encrypted = before.password
            kept = before or Student(telegram_id, username, encrypted, "automatic", True, "", self._now())
            kept = replace(kept, telegram_id=telegram_id, username=username, password=encrypted)
            if self._students != {str(telegram_id): kept}:
                self._write_students({str(telegram_id): kept})
            return before

    def remove(self, telegram_id: int, *, erase: bool = False) -> Student:
        """Delete a student; the code stays used. With ``erase`` it does not contain the student any more.

        Raises NotRegistered, and StorageUnavailable: a second call continues from where it stopped.
        """
        with self._writing:
            student = self._registered(telegram_id)
            if erase:
                self._erase_codes(telegram_id)
            self._forget_damaged(student)
            self._write_students(self._students_without(telegram_id))
            return student

    def erase(self, telegram_id: int) -> None:
        """Delete a student if there is one, and the Telegram ID from used codes. Raises StorageUnavailable."""
        if self.student(telegram_id) is not None:
            self.remove(telegram_id, erase=True)
        with self._writing:
            self._erase_codes(telegram_id)

    def _erase_codes(self, telegram_id: int) -> None:
        used = [code for code, each in self._invitations.items() if each.used_by == telegram_id]
        if used:
            erased = {code: replace(self._invitations[code], used_by=NOBODY, note="") for code in used}
            self._write_invitations({**self._invitations, **erased})

    def _forget_damaged(self, student: Student) -> None:
        try:
            for file in (self._students_file, self._invitations_file):
                file.forget(f"{student.telegram_id}", student.username)
        except OSError as error:
            raise StorageUnavailable(f"a damaged file can't be deleted ({error.strerror})") from error

    def move(self, telegram_id: int, new_telegram_id: int) -> Student:
        """Move a student's record to another Telegram account, then the code; a crash is repaired as in ``redeem``.

        Raises NotRegistered, AlreadyRegistered (the other account has a student) or StorageUnavailable.
        """
        with self._writing:
            moved = replace(self._registered(telegram_id), telegram_id=new_telegram_id)
            if str(new_telegram_id) in self._students:
                raise AlreadyRegistered(str(new_telegram_id))
            self._write_students({**self._students_without(telegram_id), str(new_telegram_id): moved})
            if (invitation := self._invitations.get(moved.invitation_code)) is not None:
                self._update_invitation(moved.invitation_code, replace(invitation, used_by=new_telegram_id))
            return moved

    def _students_without(self, telegram_id: int) -> dict[str, Student]:
        return {key: each for key, each in self._students.items() if key != str(telegram_id)}

    def _update_invitation(self, code: str, invitation: Invitation) -> None:
        # in memory even if the file can't be written
        self._invitations = MappingProxyType({**self._invitations, code: invitation})
        try:
            self._write_invitations(self._invitations)
        except StorageUnavailable:
            log.exception("the code of student %s is written with the next change or start", invitation.used_by)

    def _change_invitation(self, code: str, change: Callable[[Invitation], Invitation]) -> Invitation:
        with self._writing:
            if code not in self._invitations:
                raise UnknownCode(code)
            changed = change(self._invitations[code])
            if changed != self._invitations[code]:
                self._write_invitations({**self._invitations, code: changed})
            return changed

    def _change(self, telegram_id: int, change: Callable[[Student], Student]) -> Student:
        with self._writing:
            changed = change(self._registered(telegram_id))
            self._write_students({**self._students, str(telegram_id): changed})
            return changed

    def _registered(self, telegram_id: int) -> Student:
        if (student := self._students.get(str(telegram_id))) is None:
            raise NotRegistered(str(telegram_id))
        return student

    def _repair_used_codes(self) -> None:
        repaired = dict(self._invitations)
        for student in self._students.values():
            code, who = student.invitation_code, student.telegram_id
            if code in repaired and repaired[code].used_by != who:
                repaired[code] = replace(repaired[code], used_by=who, used_at=student.registered_at)
                log.warning("the code of student %s was not marked as used; repaired", who)
        if repaired != self._invitations:
            self._write_invitations(repaired)

    def probe(self, always: bool = False) -> str:
        """Write again, if the last write failed or ``always``; return why that fails, empty if it works. Blocks."""
        if self.trouble or always or self._students_file.copy_is_old:
            with self._writing, suppress(StorageUnavailable):
                self._write_students(self._students)
        if self._invitations_file.copy_is_old:
            with self._writing, suppress(StorageUnavailable):
                self._write_invitations(self._invitations)
        return self.trouble

    def _write_students(self, students: Mapping[str, Student]) -> None:
        self._students = self._saved(self._students_file, students)

    def _write_invitations(self, invitations: Mapping[str, Invitation]) -> None:
        self._invitations = self._saved(self._invitations_file, invitations)

    def _saved(self, file: JsonFile[Record], records: Mapping[str, Record]) -> Mapping[str, Record]:
        try:
            file.save(records)
        except OSError as error:
            self.trouble = f"'{file.path}' can't be written ({error.strerror})"
            raise StorageUnavailable(self.trouble) from error
        self.trouble = ""
        return MappingProxyType(dict(records))

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="seconds")
