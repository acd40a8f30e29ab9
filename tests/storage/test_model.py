"""Storage compared with a model in random sequences: one code, one student, one account."""

import random
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from core.encryption import Cipher
from storage import (
    AlreadyRegistered,
    CodeRevoked,
    CodeUsed,
    Mode,
    NotRegistered,
    Storage,
    StorageError,
    UnknownCode,
    UsernameTaken,
    account_key,
)
from tests.fakes import Disk, FakeClock, PowerCut

pytestmark = pytest.mark.unit


CIPHER = Cipher("YXR0ZW5kYW5jZS1maXh0dXJlcy1hdHRlbmRhbmNlLWY=")
PEOPLE = st.integers(501, 504)
USERNAMES = st.sampled_from(["a_student", "A_Student", "b_student", "b_student@kbtu.kz", " c_student"])
PASSWORDS = st.text(max_size=8)
MODES: st.SearchStrategy[Mode] = st.sampled_from(["automatic", "manual"])


@dataclass
class Known:
    """The model's record of one student."""

    username: str
    password: str
    mode: Mode
    monitoring: bool
    code: str


class StorageMachine(RuleBasedStateMachine):
    """Random operations, restarts and power cuts."""

    codes: Bundle[str] = Bundle("codes")

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self._clock = FakeClock()
        self._letters = random.Random(1)
        self._patches = pytest.MonkeyPatch()
        self._disk = Disk(self._patches)
        self.students: dict[int, Known] = {}
        self.used_by: dict[str, int | None] = {}
        self.revoked: set[str] = set()
        self.removed: set[str] = set()  # codes of students who were removed
        self.storage = self._open()

    def teardown(self) -> None:
        self._patches.undo()
        self._folder.cleanup()

    def _open(self) -> Storage:
        return Storage(Path(self._folder.name) / "data", CIPHER, self._clock, choose=self._letters.choice)

    @rule(target=codes, admin=st.integers(11, 12))
    def invite(self, admin: int) -> str:
        """Create a code."""
        code = self.storage.create_invitation(admin)
        assert code not in self.used_by
        self.used_by[code] = None
        return code

    @rule(code=codes | st.just("ZZZZ9999"), person=PEOPLE, username=USERNAMES, password=PASSWORDS)
    def redeem(self, code: str, person: int, username: str, password: str) -> None:
        """Redeem a code; it is refused exactly when the model says so."""
        refusal = self._why_not(code, person, username)
        if refusal is not None:
            with pytest.raises(refusal):
                self.storage.redeem(code, person, username, password)
            return
        self.storage.redeem(code, person, username, password)
        self.students[person] = Known(username, password, "automatic", False, code)
        self.used_by[code] = person

    def _why_not(self, code: str, person: int, username: str) -> type[StorageError] | None:
        if person in self.students:
            return AlreadyRegistered
        if code not in self.used_by:
            return UnknownCode
        if self.used_by[code] is not None:
            return CodeUsed
        if code in self.revoked:
            return CodeRevoked
        if any(account_key(each.username) == account_key(username) for each in self.students.values()):
            return UsernameTaken
        return None

    @rule(code=codes)
    def revoke(self, code: str) -> None:
        """Revoke a code, once or again."""
        if self.used_by[code] is not None:
            with pytest.raises(CodeUsed):
                self.storage.revoke(code)
            return
        self.storage.revoke(code)
        self.revoked.add(code)

    @rule(person=PEOPLE)
    def remove(self, person: int) -> None:
        """Remove a student."""
        if person in self.students:
            self.storage.remove(person)
            self.removed.add(self.students.pop(person).code)
        else:
            with pytest.raises(NotRegistered):
                self.storage.remove(person)

    @rule(person=PEOPLE, mode=MODES)
    def set_mode(self, person: int, mode: Mode) -> None:
        """Change a student's mode."""
        if person in self.students:
            self.storage.set_mode(person, mode)
            self.students[person].mode = mode
        else:
            with pytest.raises(NotRegistered):
                self.storage.set_mode(person, mode)

    @rule(person=PEOPLE, monitoring=st.booleans())
    def set_monitoring(self, person: int, monitoring: bool) -> None:
        """Change a student's monitoring flag."""
        if person in self.students:
            self.storage.set_monitoring(person, monitoring)
            self.students[person].monitoring = monitoring

    @rule(person=PEOPLE, password=PASSWORDS)
    def set_password(self, person: int, password: str) -> None:
        """Change a student's password."""
        if person in self.students:
            self.storage.set_password(person, password)
            self.students[person].password = password

    @rule()
    def restart(self) -> None:
        """Reopen the storage."""
        self.storage = self._open()

    @rule(code=consumes(codes), person=PEOPLE, username=USERNAMES, at=st.integers(0, 15))
    def lose_power_while_redeeming(self, code: str, person: int, username: str, at: int) -> None:
        """Cut the power at one of the sixteen steps of redeeming: both files have the change, or neither."""
        if self._why_not(code, person, username) is not None:
            return
        self._disk.fail(PowerCut(), at)
        with pytest.raises(PowerCut):
            self.storage.redeem(code, person, username, "cut off")
        self._disk.heal()
        self.storage = self._open()
        if self.storage.student(person) is not None:
            self.students[person] = Known(username, "cut off", "automatic", False, code)
            self.used_by[code] = person

    @rule(name=st.sampled_from(["students.json", "invitations.json"]), content=st.sampled_from(["", "{", "null"]))
    def damage_and_restart(self, name: str, content: str) -> None:
        """Damage a file between two runs."""
        if not self.used_by:
            return
        self.storage = self._open()
        (Path(self._folder.name) / "data" / name).write_text(content)
        self.storage = self._open()

    @invariant()
    def equals_the_model(self) -> None:
        """Students and codes are those of the model."""
        found = {
            s.telegram_id: Known(
                s.username, self.storage.password(s.telegram_id), s.mode, s.monitoring, s.invitation_code
            )
            for s in self.storage.students()
        }
        assert found == self.students
        for code, used_by in self.used_by.items():
            invitation = self.storage.invitation(code)
            assert invitation is not None
            assert invitation.used_by == used_by
            assert (invitation.used_at is None) == (used_by is None)
            assert (invitation.revoked_at is None) == (code not in self.revoked)

    @invariant()
    def one_code_one_student_one_account(self) -> None:
        """No two students share a code or a portal account, and no code has two students."""
        students = self.storage.students()
        assert len({s.invitation_code for s in students}) == len(students)
        assert len({account_key(s.username) for s in students}) == len(students)
        assert {s.invitation_code: s.telegram_id for s in students} == {
            code: person for code, person in self.used_by.items() if person is not None and code not in self.removed
        }


TestStorage = StorageMachine.TestCase
TestStorage.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
