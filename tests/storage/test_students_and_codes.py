"""Students and invitation codes: one code makes one student, and no acknowledged change is lost."""

import base64
import json
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from core.encryption import Cipher, EncryptionKeyError
from core.json_file import SCHEMA, SchemaTooNew
from core.settings import ROOT
from storage import (
    CODE_ALPHABET,
    INVITATION_DAYS,
    AlreadyRegistered,
    CodeExpired,
    CodeRevoked,
    CodeUsed,
    NotRegistered,
    Storage,
    StorageError,
    StorageUnavailable,
    UnknownCode,
    UsernameTaken,
)
from tests.fakes import Disk, FakeClock, PowerCut

pytestmark = pytest.mark.unit


FIXTURES = ROOT / "tests" / "fixtures"
FIXTURE_KEY = base64.urlsafe_b64encode(b"attendance-fixtures-attendance-f").decode()
CIPHER = Cipher(FIXTURE_KEY)
ADMIN, AIDA, BEN = 11, 501, 502
PASSWORD = "correct horse battery"


def open_storage(folder: Path, clock: FakeClock | None = None) -> Storage:
    return Storage(folder, CIPHER, clock or FakeClock())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def storage(folder: Path, clock: FakeClock) -> Storage:
    return open_storage(folder, clock)


def register(storage: Storage, telegram_id: int = AIDA, username: str = "a_student") -> str:
    """Register a student with a new code; return the code."""
    code = storage.create_invitation(ADMIN)
    storage.redeem(code, telegram_id, username, PASSWORD)
    return code


class TestCodes:
    def test_shape(self, storage: Storage) -> None:
        """A code is eight unambiguous capitals and digits, and no two are equal."""
        codes = {storage.create_invitation(ADMIN) for _ in range(50)}
        assert len(codes) == 50
        assert all(len(code) == 8 and set(code) <= set(CODE_ALPHABET) for code in codes)
        assert not set("ILO01") & set(CODE_ALPHABET)

    def test_never_twice(self, folder: Path, clock: FakeClock) -> None:
        """If the random code exists already, another one is made."""
        letters = iter("A" * 8 + "A" * 8 + "B" * 8)
        storage = Storage(folder, CIPHER, clock, choose=lambda _alphabet: next(letters))
        assert [storage.create_invitation(ADMIN) for _ in range(2)] == ["A" * 8, "B" * 8]

    def test_file(self, storage: Storage, folder: Path) -> None:
        """invitations.json has for each code its creator, its user and both times."""
        unused, used = storage.create_invitation(ADMIN), register(storage)
        content = json.loads((folder / "invitations.json").read_text())
        at = "2026-09-07T04:00:00+00:00"
        rest = {"note": "", "revoked_at": None, "schema": SCHEMA}
        assert content == {
            unused: {"created_by": ADMIN, "created_at": at, "used_by": None, "used_at": None, **rest},
            used: {"created_by": ADMIN, "created_at": at, "used_by": AIDA, "used_at": at, **rest},
        }

    def test_check(self, storage: Storage) -> None:
        """Checking a code raises the reason why it can't be redeemed."""
        storage.check_code(storage.create_invitation(ADMIN))
        with pytest.raises(UnknownCode):
            storage.check_code("ZZZZ9999")
        with pytest.raises(CodeUsed):
            storage.check_code(register(storage))

    def test_expiry(self, storage: Storage, clock: FakeClock) -> None:
        """An unused code is valid for exactly fourteen days; a used one stays used."""
        unused, used = storage.create_invitation(ADMIN), register(storage)
        clock.advance(INVITATION_DAYS * 86400 - 1)
        storage.check_code(unused)
        clock.advance(1)
        for refused in (storage.check_code, lambda code: storage.redeem(code, BEN, "b_student", PASSWORD)):
            with pytest.raises(CodeExpired):
                refused(unused)
        with pytest.raises(CodeUsed):
            storage.check_code(used)

    def test_expiry_as_set(self, folder: Path, clock: FakeClock) -> None:
        """The number of days is a setting, which applies to existing codes too."""
        code = open_storage(folder, clock).create_invitation(ADMIN)
        clock.advance(86400)
        storage = Storage(folder, CIPHER, clock, invitation_days=1)
        with pytest.raises(CodeExpired):
            storage.check_code(code)
        Storage(folder, CIPHER, clock, invitation_days=2).check_code(code)

    def test_revoked(self, storage: Storage, folder: Path, clock: FakeClock) -> None:
        """A revoked code is refused as revoked, also after a restart; revoking twice changes nothing."""
        code, other = storage.create_invitation(ADMIN), storage.create_invitation(ADMIN)
        revoked = storage.revoke(code)
        clock.advance(60)
        assert storage.revoke(code) == revoked
        assert revoked.revoked_at == "2026-09-07T04:00:00+00:00"
        for each in (storage, open_storage(folder)):
            with pytest.raises(CodeRevoked):
                each.check_code(code)
            each.check_code(other)
        with pytest.raises(CodeRevoked):
            storage.redeem(code, BEN, "b_student", PASSWORD)
        assert storage.students() == []

    def test_nothing_to_revoke(self, storage: Storage) -> None:
        """A used code and an unknown one can't be revoked; the student stays."""
        code = register(storage)
        with pytest.raises(CodeUsed):
            storage.revoke(code)
        for change in (storage.revoke, lambda unknown: storage.set_note(unknown, "for Aida")):
            with pytest.raises(UnknownCode):
                change("ZZZZ9999")
        assert storage.student(AIDA) is not None

    def test_revoked_or_redeemed(self, storage: Storage) -> None:
        """Of a revoke and a redeem at the same time exactly one wins."""
        for n in range(10):
            code = storage.create_invitation(ADMIN)
            acts = [partial(storage.revoke, code), partial(storage.redeem, code, n, f"student_{n}", PASSWORD)]
            outcomes = at_once(2, lambda which, acts=acts: acts[which]())  # type: ignore[misc]
            assert sorted(outcomes) in (["CodeRevoked", "Invitation"], ["CodeUsed", "Student"])

    def test_note(self, storage: Storage, folder: Path) -> None:
        """A code's note can be changed, and is kept when the code is redeemed."""
        code = storage.create_invitation(ADMIN)
        storage.set_note(code, "for Ben")
        storage.set_note(code, "Айдаға <1>")
        storage.redeem(code, AIDA, "a_student", PASSWORD)
        invitation = open_storage(folder).invitations()[code]
        assert (invitation.note, invitation.used_by) == ("Айдаға <1>", AIDA)


class TestRemoving:
    def test_gone(self, storage: Storage, folder: Path) -> None:
        """A removed student and the password are in no file; the others stay, and the code stays used."""
        code, other = register(storage), register(storage, BEN, "b_student")
        secret = storage.student(AIDA).password  # type: ignore[union-attr]
        assert storage.remove(AIDA).username == "a_student"
        for each in (storage, open_storage(folder)):
            assert [student.telegram_id for student in each.students()] == [BEN]
            for used in (code, other):
                with pytest.raises(CodeUsed):
                    each.check_code(used)
        assert all(secret not in path.read_text() for path in folder.iterdir())
        with pytest.raises(NotRegistered):
            storage.remove(AIDA)

    def test_again(self, storage: Storage) -> None:
        """A removed student may register again with a new code; somebody else may register the portal account."""
        register(storage)
        storage.remove(AIDA)
        register(storage)
        storage.remove(AIDA)
        register(storage, BEN, "A_Student")


class TestRedeeming:
    def test_file(self, storage: Storage, folder: Path) -> None:
        """students.json has all documented fields by Telegram ID, with the password encrypted."""
        code = register(storage)
        (record,) = json.loads((folder / "students.json").read_text()).values()
        assert CIPHER.decrypt(record.pop("password")) == PASSWORD
        assert record == {
            "telegram_id": AIDA,
            "username": "a_student",
            "mode": "automatic",
            "monitoring": False,
            "invitation_code": code,
            "registered_at": "2026-09-07T04:00:00+00:00",
            "schema": SCHEMA,
        }

    def test_password_is_never_shown(self, storage: Storage, folder: Path) -> None:
        """No file and no text of a student contains the password; only ``Storage.password`` returns it."""
        register(storage)
        storage.set_password(AIDA, PASSWORD + "2")
        assert storage.password(AIDA) == PASSWORD + "2"
        assert all(PASSWORD.encode() not in path.read_bytes() for path in folder.iterdir())
        shown = f"{storage.student(AIDA)} {storage.students()} {vars(storage)}"
        assert PASSWORD not in shown
        student = storage.student(AIDA)
        assert student is not None
        assert student.password not in f"{student}"

    def test_another_account(self, storage: Storage) -> None:
        """With the password the username can change, but not to one that somebody else has; the code stays used."""
        code = register(storage)
        register(storage, BEN, "b_student")
        with pytest.raises(UsernameTaken):
            storage.set_password(AIDA, "another", "B_Student@kbtu.kz")
        assert storage.password(AIDA) == PASSWORD
        assert storage.set_password(AIDA, "another", "c_student").username == "c_student"
        assert storage.password(AIDA) == "another"
        assert storage.invitations()[code].used_by == AIDA

    def test_refusals_change_nothing(self, storage: Storage, folder: Path) -> None:
        """An unknown or used code, a taken portal account and a registered person are refused with different errors."""
        used, unused = register(storage), storage.create_invitation(ADMIN)
        before = {path: path.read_bytes() for path in folder.iterdir()}
        for refusal, code, person, username in (
            (UnknownCode, "ZZZZ9999", BEN, "b_student"),
            (CodeUsed, used, BEN, "b_student"),
            (UsernameTaken, unused, BEN, "A_Student@kbtu.kz"),
            (AlreadyRegistered, unused, AIDA, "b_student"),
        ):
            with pytest.raises(refusal):
                storage.redeem(code, person, username, PASSWORD)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        storage.redeem(unused, BEN, "b_student", PASSWORD)

    @pytest.mark.parametrize("spelling", ["a_student", "A_STUDENT", " a_student ", "a_student@kbtu.kz", "A_Student@x"])
    def test_spellings_of_one_account(self, storage: Storage, spelling: str) -> None:
        """All spellings of a portal account are one account; its owner may use them, nobody else may."""
        register(storage)
        storage.check_username(AIDA, spelling)
        with pytest.raises(UsernameTaken):
            storage.check_username(BEN, spelling)
        storage.check_username(BEN, "a_student2")

    def test_one_code_many_threads(self, storage: Storage, folder: Path) -> None:
        """Of many threads that redeem one code at the same time exactly one succeeds."""
        code = storage.create_invitation(ADMIN)
        outcomes = at_once(8, lambda n: storage.redeem(code, n, f"student_{n}", PASSWORD))
        assert sorted(outcomes) == ["CodeUsed"] * 7 + ["Student"]
        (student,) = open_storage(folder).students()
        assert (student.invitation_code, storage.students()) == (code, [student])

    def test_one_account_many_threads(self, storage: Storage) -> None:
        """Of many threads that register one portal account with different codes exactly one succeeds."""
        codes = [storage.create_invitation(ADMIN) for _ in range(8)]
        outcomes = at_once(8, lambda n: storage.redeem(codes[n], n, "a_student", PASSWORD))
        assert sorted(outcomes) == ["Student"] + ["UsernameTaken"] * 7

    def test_one_person_many_threads(self, storage: Storage) -> None:
        """Of many threads that register one person with different codes exactly one succeeds."""
        codes = [storage.create_invitation(ADMIN) for _ in range(8)]
        outcomes = at_once(8, lambda n: storage.redeem(codes[n], AIDA, f"student_{n}", PASSWORD))
        assert sorted(outcomes) == ["AlreadyRegistered"] * 7 + ["Student"]


def at_once(number: int, act: Callable[[int], object]) -> list[str]:
    """Run so many threads at the same time; return the type names of their results or errors."""
    together, outcomes = threading.Barrier(number), list[str]()

    def run(n: int) -> None:
        together.wait()
        try:
            outcomes.append(type(act(n)).__name__)
        except StorageError as refusal:
            outcomes.append(type(refusal).__name__)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


class TestChanges:
    def test_each_lasts(self, storage: Storage, folder: Path) -> None:
        """Mode, monitoring and password are on disk when the method returns."""
        register(storage)
        storage.set_mode(AIDA, "manual")
        storage.set_monitoring(AIDA, True)
        changed = storage.set_password(AIDA, "another")
        assert (changed.mode, changed.monitoring) == ("manual", True)
        reopened = open_storage(folder)
        assert reopened.student(AIDA) == storage.student(AIDA) == changed
        assert reopened.password(AIDA) == "another"

    def test_nobody_to_change(self, storage: Storage) -> None:
        """Changes of an unknown student, and reading the password, raise NotRegistered."""
        for change in (
            lambda: storage.set_mode(AIDA, "manual"),
            lambda: storage.set_monitoring(AIDA, True),
            lambda: storage.set_password(AIDA, "x"),
            lambda: storage.password(AIDA),
        ):
            with pytest.raises(NotRegistered):
                change()

    def test_order_of_students(self, storage: Storage, clock: FakeClock) -> None:
        """Students are listed in the order of registration."""
        for telegram_id in (9, 3, 7):
            clock.advance(60)
            register(storage, telegram_id, f"student_{telegram_id}")
        storage.set_mode(9, "manual")
        assert [student.telegram_id for student in storage.students()] == [9, 3, 7]

    def test_many_threads(self, storage: Storage, folder: Path) -> None:
        """Concurrent changes from many threads are all stored."""
        for n in range(8):
            register(storage, n, f"student_{n}")
        at_once(8, lambda n: (storage.set_mode(n, "manual"), storage.set_monitoring(n, True)))
        assert [(s.mode, s.monitoring) for s in open_storage(folder).students()] == [("manual", True)] * 8


CHANGES: dict[str, Callable[[Storage], object]] = {
    "invite": lambda storage: storage.create_invitation(ADMIN),
    "redeem": lambda storage: storage.redeem("FREE2345", BEN, "b_student", PASSWORD),
    "mode": lambda storage: storage.set_mode(AIDA, "manual"),
    "monitoring": lambda storage: storage.set_monitoring(AIDA, True),
    "password": lambda storage: storage.set_password(AIDA, "another"),
    "note": lambda storage: storage.set_note("FREE2345", "for Ben"),
    "revoke": lambda storage: storage.revoke("FREE2345"),
    "remove": lambda storage: storage.remove(AIDA),
    "move": lambda storage: storage.move(AIDA, BEN),
}


def with_a_student(folder: Path) -> Storage:
    """Return a store with Aida registered and the code FREE2345 unused."""
    letters = iter("AIDA2345" + "FREE2345" + "NEXT2345" * 9)
    storage = Storage(folder, CIPHER, FakeClock(), choose=lambda _alphabet: next(letters))
    storage.redeem(storage.create_invitation(ADMIN), AIDA, "a_student", PASSWORD)
    storage.create_invitation(ADMIN)
    return storage


def state(storage: Storage) -> dict[str, Any]:
    """Return everything in a store, with the passwords decrypted."""
    return {
        "students": {
            s.telegram_id: (s.username, s.mode, s.monitoring, s.invitation_code, storage.password(s.telegram_id))
            for s in storage.students()
        },
        "codes": {
            code: (invitation.used_by, invitation.used_at is None, invitation.note, invitation.revoked_at)
            for code in ("AIDA2345", "FREE2345", "NEXT2345")
            if (invitation := storage.invitation(code)) is not None
        },
    }


def agrees(storage: Storage) -> bool:
    """Say whether each student's code is used by that student, and every other code is unused."""
    spent = {s.invitation_code: s.telegram_id for s in storage.students()}
    codes = {code: used_by for code, (used_by, *_) in state(storage)["codes"].items()}
    removed = AIDA if storage.student(AIDA) is None else None  # whose code stays used
    return codes == {code: spent.get(code, removed if code == "AIDA2345" else None) for code in codes}


@pytest.fixture(params=CHANGES)
def change(request: pytest.FixtureRequest) -> Callable[[Storage], object]:
    return CHANGES[request.param]


class TestCrash:
    """A power cut or a full disk at each step of each change."""

    @pytest.mark.ordeal
    def test_power_cut(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Storage], object]
    ) -> None:
        """Cut off at any step, a change is stored completely or not at all, and earlier changes are kept."""
        before, after, steps = both_states(tmp_path, monkeypatch, change)
        for at in range(steps):
            folder = tmp_path / f"cut-{at}"
            storage = with_a_student(folder)
            with monkeypatch.context() as patches:
                Disk(patches).fail(PowerCut(), at)
                with pytest.raises(PowerCut):
                    change(storage)
            reopened = open_storage(folder)
            assert state(reopened) in (before, after), at
            assert agrees(reopened), at
            assert agrees(open_storage(folder)), at

    @pytest.mark.ordeal
    def test_power_cut_and_damage(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Storage], object]
    ) -> None:
        """Cut off at any step and with a damaged file, earlier changes are kept."""
        before, after, steps = both_states(tmp_path, monkeypatch, change)
        for at in range(steps):
            for name in ("students.json", "invitations.json"):
                folder = tmp_path / f"cut-{at}-{name}"
                storage = with_a_student(folder)
                with monkeypatch.context() as patches:
                    Disk(patches).fail(PowerCut(), at)
                    with pytest.raises(PowerCut):
                        change(storage)
                (folder / name).write_text('{"')
                reopened = open_storage(folder)
                assert state(reopened) in (before, after), (at, name)
                assert agrees(reopened), (at, name)

    @pytest.mark.ordeal
    def test_full_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Storage], object]
    ) -> None:
        """With a full disk a change either succeeds or is refused, and can then be repeated."""
        before, after, steps = both_states(tmp_path, monkeypatch, change)
        for at in range(steps):
            folder = tmp_path / f"full-{at}"
            storage = with_a_student(folder)
            with monkeypatch.context() as patches:
                Disk(patches).fail(OSError(28, "No space left on device"), at)
                refusal = refusal_if_any(change, storage)
                if refusal is not None:
                    assert "No space left on device" in refusal
                    assert state(storage) == before, at
                else:
                    assert state(storage) == after, at
                    assert state(open_storage(shutil.copytree(folder, tmp_path / f"seen-{at}"))) == after, at
            if state(storage) == before:
                change(storage)
                assert state(storage) == after, at
            assert state(open_storage(folder)) == after, at

    def test_code_is_used_though_its_file_can_not_be_written(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once the student is on disk the code is used, even if its file can't be written."""
        storage = with_a_student(folder)
        with monkeypatch.context() as patches:
            Disk(patches).fail(OSError(28, "No space left on device"), 8)  # after the students' file and its copy
            storage.redeem("FREE2345", BEN, "b_student", PASSWORD)
        with pytest.raises(CodeUsed):
            storage.redeem("FREE2345", 503, "c_student", PASSWORD)
        assert json.loads((folder / "invitations.json").read_text())["FREE2345"]["used_by"] is None
        reopened = open_storage(folder)
        assert json.loads((folder / "invitations.json").read_text())["FREE2345"]["used_by"] == BEN
        with pytest.raises(CodeUsed):
            reopened.check_code("FREE2345")

    def test_killed_process(self, folder: Path) -> None:
        """A killed process loses none of the changes that it acknowledged."""
        storage = open_storage(folder)
        register(storage)
        codes = [storage.create_invitation(ADMIN) for _ in range(30)]
        program = (
            "import sys; from pathlib import Path; from core.encryption import Cipher; from storage import Storage\n"
            f"storage = Storage(Path({str(folder)!r}), Cipher({FIXTURE_KEY!r}), invitation_days=10**5)\n"
            "for number, code in enumerate(sys.argv[1:], start=1000):\n"
            "    storage.redeem(code, number, f'student_{number}', 'x')\n"
            "    print(number, flush=True)\n"
        )
        acknowledged = []
        with subprocess.Popen(
            [sys.executable, "-c", program, *codes], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged.append(int(line))
                if len(acknowledged) == 10:
                    process.kill()
        reopened = open_storage(folder)
        assert len(acknowledged) >= 10
        assert {AIDA, *acknowledged} <= {student.telegram_id for student in reopened.students()}
        for student in reopened.students():
            invitation = reopened.invitation(student.invitation_code)
            assert invitation is not None
            assert invitation.used_by == student.telegram_id


def refusal_if_any(change: Callable[[Storage], object], storage: Storage) -> str | None:
    try:
        change(storage)
    except StorageUnavailable as refused:
        return str(refused)
    return None


def both_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Storage], object]
) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return the state before and after a change, and the number of its disk steps."""
    storage = with_a_student(tmp_path / "whole")
    before = state(storage)
    with monkeypatch.context() as patches:
        disk = Disk(patches)
        change(storage)
    return before, state(storage), len(disk.steps)


class TestOpening:
    def test_modes(self, folder: Path) -> None:
        """The folder and its files are readable by their owner only, also if the folder existed with another mode."""
        folder.mkdir(mode=0o755)
        register(open_storage(folder))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        assert {path.name for path in folder.iterdir()} == {
            "students.json",
            "students.json.copy",
            "invitations.json",
            "invitations.json.copy",
        }

    def test_crash_between_student_and_code(self, folder: Path) -> None:
        """A code that a crash left unmarked is marked as used at the next start."""
        storage = with_a_student(folder)
        old = (folder / "invitations.json").read_text()
        storage.redeem("FREE2345", BEN, "b_student", PASSWORD)
        (folder / "invitations.json").write_text(old)
        reopened = open_storage(folder)
        invitation = reopened.invitation("FREE2345")
        assert invitation is not None
        assert (invitation.used_by, invitation.used_at) == (BEN, "2026-09-07T04:00:00+00:00")
        assert json.loads((folder / "invitations.json").read_text())["FREE2345"]["used_by"] == BEN

    def test_nothing_to_repair(self, folder: Path) -> None:
        """Opening an intact store changes no file."""
        with_a_student(folder)
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
        open_storage(folder)
        assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before

    def test_wrong_key(self, folder: Path) -> None:
        """A store with passwords that the key can't decrypt is refused; with the right key it opens."""
        before = state(with_a_student(folder))
        with pytest.raises(EncryptionKeyError):
            Storage(folder, Cipher(Fernet.generate_key().decode()))
        assert state(open_storage(folder)) == before

    @pytest.mark.parametrize("name", ["students.json", "invitations.json"])
    def test_newer_schema(self, folder: Path, name: str) -> None:
        """Files of a newer version are refused and not changed."""
        with_a_student(folder)
        records = json.loads((folder / name).read_text())
        newer = {key: {**record, "schema": SCHEMA + 1} for key, record in records.items()}
        (folder / name).write_text(json.dumps(newer))
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(SchemaTooNew):
            open_storage(folder)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    @pytest.mark.parametrize("name", ["students.json", "invitations.json"])
    def test_damaged_file(self, folder: Path, name: str) -> None:
        """A damaged file is set aside, and its copy is used."""
        before = state(with_a_student(folder))
        (folder / name).write_text("not JSON")
        assert state(open_storage(folder)) == before
        assert len(list(folder.glob(f"{name}.damaged-*"))) == 1

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("mode", "sometimes"),
            ("telegram_id", "five hundred"),
            ("username", None),
            ("password", None),
            ("monitoring", "false"),
            ("invitation_code", ["A"]),
            ("registered_at", 5),
        ],
    )
    def test_field_of_another_kind(self, folder: Path, field: str, value: object) -> None:
        """A record with a value of the wrong type counts as damaged."""
        before = state(with_a_student(folder))
        records = json.loads((folder / "students.json").read_text())
        records[str(AIDA)][field] = value
        (folder / "students.json").write_text(json.dumps(records))
        assert state(open_storage(folder)) == before
        assert len(list(folder.glob("students.json.damaged-*"))) == 1

    def test_fields_of_later_programs(self, folder: Path) -> None:
        """Unknown fields are ignored."""
        before = state(with_a_student(folder))
        records = json.loads((folder / "students.json").read_text())
        records[str(AIDA)]["nickname"] = "Aidoka"
        (folder / "students.json").write_text(json.dumps(records))
        assert state(open_storage(folder)) == before

    def test_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        """A folder that can't be used raises an error of one line that names DATA_DIR."""
        (tmp_path / "data").touch()
        with pytest.raises(StorageUnavailable, match=r"^DATA_DIR: '.*data' can't be used \(.*\)$"):
            open_storage(tmp_path / "data")

    def test_files_of_version_1(self, folder: Path) -> None:
        """Files of version 1 are read completely."""
        folder.mkdir()
        for name in ("students", "invitations"):
            shutil.copy(FIXTURES / f"{name}_v1.json", folder / f"{name}.json")
        storage = open_storage(folder)
        assert [(s.telegram_id, s.username, s.mode, s.monitoring, s.invitation_code) for s in storage.students()] == [
            (501, "a_student", "automatic", True, "ABCD2345"),
            (502, "b_student@kbtu.kz", "manual", False, "EFGH6789"),
        ]
        assert (storage.password(501), storage.password(502)) == ("correct horse", "құпия сөз 2")
        assert storage.students()[0].registered_at == "2026-09-01T04:00:00+00:00"
        storage.check_code("JKMN2345")
        with pytest.raises(CodeUsed):
            storage.check_code("EFGH6789")
        assert {(i.note, i.revoked_at) for i in storage.invitations().values()} == {("", None)}
        assert {r["schema"] for r in json.loads((folder / "invitations.json").read_text()).values()} == {SCHEMA}

    def test_files_of_version_2(self, folder: Path) -> None:
        """Files of version 2 are read, with notes and revoked codes."""
        folder.mkdir()
        for name in ("students", "invitations"):
            shutil.copy(FIXTURES / f"{name}_v2.json", folder / f"{name}.json")
        storage = open_storage(folder)
        assert [(s.telegram_id, s.username) for s in storage.students()] == [(501, "a_student")]
        assert storage.password(501) == "correct horse"
        assert {code: i.note for code, i in storage.invitations().items()} == {
            "ABCD2345": "for Aida",
            "EFGH6789": "",
            "JKMN2345": "для Бена",
        }
        with pytest.raises(CodeRevoked):
            storage.check_code("JKMN2345")

    @pytest.mark.parametrize(
        ("field", "value"),
        [("created_at", "yesterday"), ("created_at", "2026-09-07T04:00:00"), ("note", None), ("revoked_at", 5)],
    )
    def test_invitation_of_another_kind(self, folder: Path, field: str, value: object) -> None:
        """A code with a wrong value, such as a time without an offset, counts as damaged."""
        before = state(with_a_student(folder))
        records = json.loads((folder / "invitations.json").read_text())
        records["FREE2345"][field] = value
        (folder / "invitations.json").write_text(json.dumps(records))
        assert state(open_storage(folder)) == before


class TestHoldsStudents:
    """Whether a new key may be made: never with existing ciphertext."""

    def test_nothing_there(self, folder: Path) -> None:
        """Before the first student there is no ciphertext."""
        assert not Storage.holds_students(folder)
        open_storage(folder).create_invitation(ADMIN)
        assert not Storage.holds_students(folder)

    def test_students_there(self, folder: Path) -> None:
        """A student counts as ciphertext, and so does a file that can't be read."""
        with_a_student(folder)
        assert Storage.holds_students(folder)
        (folder / "students.json").write_text("damaged")
        assert Storage.holds_students(folder)

    def test_students_in_the_copy_alone(self, folder: Path) -> None:
        """Without the file its copy counts."""
        with_a_student(folder)
        (folder / "students.json").unlink()
        assert Storage.holds_students(folder)
