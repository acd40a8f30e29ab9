"""Moving a student to another Telegram account, and erasing a student."""

from pathlib import Path

import pytest

from storage import NOBODY, AlreadyRegistered, CodeUsed, NotRegistered, Storage, StorageUnavailable, UsernameTaken
from tests.fakes import Disk, FakeClock, PowerCut
from tests.storage.test_students_and_codes import ADMIN, AIDA, BEN, PASSWORD, open_storage, register

pytestmark = pytest.mark.unit


NEW = 777


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def storage(folder: Path, clock: FakeClock) -> Storage:
    return open_storage(folder, clock)


class TestMoving:
    def test_moved(self, storage: Storage, folder: Path) -> None:
        """Only the Telegram ID changes, in memory and on disk, and the code's ``used_by`` with it."""
        code = register(storage)
        storage.set_mode(AIDA, "manual")
        before = storage.set_monitoring(AIDA, True)
        moved = storage.move(AIDA, NEW)
        assert moved.telegram_id == NEW
        for each in (storage, open_storage(folder)):
            assert each.student(AIDA) is None
            assert each.student(NEW) == moved
            assert each.password(NEW) == PASSWORD
            assert each.invitation(code).used_by == NEW  # type: ignore[union-attr]
            with pytest.raises(CodeUsed):
                each.check_code(code)
        assert (moved.username, moved.mode, moved.monitoring, moved.password, moved.registered_at) == (
            before.username,
            before.mode,
            before.monitoring,
            before.password,
            before.registered_at,
        )

    def test_refused(self, storage: Storage, folder: Path) -> None:
        """An unknown student and a target that is registered, also the student itself, are refused; nothing changes."""
        register(storage)
        register(storage, BEN, "b_student")
        before = storage.students()
        for person, new, refusal in ((NEW, 778, NotRegistered), (AIDA, BEN, AlreadyRegistered)):
            with pytest.raises(refusal):
                storage.move(person, new)
        with pytest.raises(AlreadyRegistered):
            storage.move(AIDA, AIDA)
        assert storage.students() == before
        assert open_storage(folder).students() == before

    def test_afterwards(self, storage: Storage) -> None:
        """The portal account stays taken; the old Telegram account may register another one."""
        register(storage)
        storage.move(AIDA, NEW)
        with pytest.raises(UsernameTaken):
            register(storage)
        register(storage, AIDA, "b_student")

    def test_code_can_not_be_written(self, storage: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once the students are on disk the move is done; the code is updated at the next start."""
        code = register(storage)
        with monkeypatch.context() as patches:
            Disk(patches).fail(OSError(28, "No space left on device"), 8)  # after the students' file and its copy
            storage.move(AIDA, NEW)
        assert storage.student(NEW) is not None
        assert open_storage(folder).invitation(code).used_by == NEW  # type: ignore[union-attr]


def everything(folder: Path) -> str:
    """Return the content of all files."""
    return "\n".join(path.read_text() for path in folder.iterdir())


class TestErasing:
    def test_nothing_left(self, storage: Storage, folder: Path) -> None:
        """No file contains the erased student's ID, username, password or note; the code stays used, by NOBODY."""
        code = register(storage)
        other = register(storage, BEN, "b_student")
        storage.set_note(code, "for Aida")
        storage.set_note(other, "for Ben")
        secret = storage.student(AIDA).password  # type: ignore[union-attr]
        assert storage.remove(AIDA, erase=True).username == "a_student"
        for each in (storage, open_storage(folder)):
            assert [student.telegram_id for student in each.students()] == [BEN]
            left, kept = each.invitation(code), each.invitation(other)
            assert left is not None
            assert kept is not None
            assert (left.created_by, left.used_by, left.note) == (ADMIN, NOBODY, "")
            assert (kept.used_by, kept.note) == (BEN, "for Ben")
            with pytest.raises(CodeUsed):
                each.check_code(code)
        for gone in (str(AIDA), "a_student", secret, "for Aida"):
            assert gone not in everything(folder)
        with pytest.raises(NotRegistered):
            storage.remove(AIDA, erase=True)

    def test_codes_of_before(self, storage: Storage, folder: Path) -> None:
        """Codes of the student's earlier registrations do not contain the ID any more either."""
        register(storage)
        storage.remove(AIDA)
        register(storage)
        storage.remove(AIDA, erase=True)
        assert [each.used_by for each in storage.invitations().values()] == [NOBODY, NOBODY]
        assert str(AIDA) not in everything(folder)

    def test_again(self, storage: Storage) -> None:
        """An erased student may register again with a new code."""
        register(storage)
        storage.remove(AIDA, erase=True)
        register(storage)

    @pytest.mark.parametrize("failure", [PowerCut(), OSError(28, "No space left on device")])
    def test_cut_off(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
        """Stopped at any step, the student is complete or erased, and a second call erases completely."""
        refused = 0
        for at in range(100):
            folder = tmp_path / f"cut-{at}"
            storage = open_storage(folder)
            code = register(storage)
            with monkeypatch.context() as patches:
                disk = Disk(patches)
                disk.fail(failure, at)
                try:
                    storage.remove(AIDA, erase=True)
                except (PowerCut, StorageUnavailable):
                    refused += 1
                steps = len(disk.steps)
            if isinstance(failure, PowerCut):
                storage = open_storage(folder)
            student = storage.student(AIDA)
            if student is not None:
                assert storage.password(AIDA) == PASSWORD
                with pytest.raises(CodeUsed):
                    storage.check_code(code)
                storage.remove(AIDA, erase=True)
            assert open_storage(folder).students() == []
            assert "a_student" not in everything(folder)
            assert str(AIDA) not in everything(folder)
            if steps <= at:
                break
        assert refused > 1
        assert steps <= at, "every step was tried"


class TestNoTraces:
    """Files beside the current ones."""

    def test_a_damaged_file(self, storage: Storage, folder: Path) -> None:
        """A damaged file that was set aside is deleted with the student whom it names; one of others stays."""
        register(storage)
        theirs, others = folder / "students.json.damaged-0a", folder / "invitations.json.damaged-0b"
        theirs.write_text(f'{{"{AIDA}": {{')
        others.write_text("{")
        storage.remove(AIDA, erase=True)
        assert [theirs.exists(), others.exists()] == [False, True]

    @pytest.mark.parametrize("at", range(4, 8))
    def test_an_old_copy(self, storage: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        """A copy that could not be written with the deletion, and still names the student, is written soon after."""
        register(storage)
        disk = Disk(monkeypatch)
        disk.fail(OSError(28, "No space left on device"), at)
        storage.remove(AIDA)
        disk.heal()
        assert storage.probe() == ""
        assert str(AIDA) not in (folder / "students.json.copy").read_text()

    def test_erased_without_a_record(self, storage: Storage) -> None:
        """A code that names a student who has no record any more is erased, too; a second time changes nothing."""
        code = register(storage)
        storage.remove(AIDA)
        for _ in range(2):
            storage.erase(AIDA)
        assert storage.invitation(code).used_by == NOBODY  # type: ignore[union-attr]
