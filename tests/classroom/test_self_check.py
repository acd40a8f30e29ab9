"""``--check``: the classroom's database, its key, and ID photos."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from classroom.database import open_database
from classroom.faces import FaceRefused, FaceUnavailable
from classroom.faces.local import LocalEngine
from classroom.faces.photo import PhotoFault
from classroom.store import Tokens
from classroom.store.schema import SCHEMA
from classroom.store.sqlite import SqliteStore
from core.encryption import Cipher
from core.settings import Settings
from self_check import FAILED, NAMED, OK, WARNING, Result
from self_check.data import check_classroom, check_classroom_key
from self_check.faces import check_faces
from self_check.run import check
from tests.classroom.running import KEY

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a classroom that was never started."""
    folder, key_file = tmp_path / "data", tmp_path / "secrets" / "encryption.key"
    return Settings(_env_file=None, data_dir=folder, encryption_key_file=key_file)  # type: ignore[call-arg]


@pytest.fixture
def used(settings: Settings) -> Path:
    """The file of a classroom with a teacher's tokens, encrypted with a key in its file."""

    async def save() -> None:
        store = SqliteStore(database, Cipher(KEY))
        await store.open()
        await store.save_tokens(7, Tokens("access", "refresh", "password"))
        await store.close()

    folder = settings.data_dir / "classroom"
    folder.mkdir(parents=True)
    key_file = settings.encryption_key_file.with_name("classroom.key")
    key_file.parent.mkdir()
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    with closing(open_database(folder)) as database:
        asyncio.run(save())
    return folder / "classroom.sqlite3"


def both(settings: Settings) -> list[str]:
    return [each(settings).state for each in (check_classroom, check_classroom_key)]


def test_not_started_yet(settings: Settings) -> None:
    """Before the first start nothing is wrong, and nothing is created."""
    results = [check_classroom(settings), check_classroom_key(settings)]
    assert [(each.state, each.detail[:37]) for each in results] == [
        (OK, "will be created at the first start" + x) for x in ("", ": /")
    ]
    assert not settings.data_dir.exists()


def test_good(settings: Settings, used: Path) -> None:
    """A database of this version and its key are fine; neither is changed."""
    before = used.read_bytes()
    assert both(settings) == [OK, OK]
    assert f"classroom_store {SCHEMA.version} of {SCHEMA.version}" in check_classroom(settings).detail
    assert used.read_bytes() == before


def test_newer_and_damaged(settings: Settings, used: Path) -> None:
    """A schema of a newer program, and a damaged file, fail."""
    with closing(sqlite3.connect(used)) as connection:
        connection.execute("UPDATE schema_versions SET version = 99 WHERE owner = 'classroom_store'")
        connection.commit()
    assert check_classroom(settings).state == FAILED
    used.write_bytes(b"no database" * 1000)
    teachers = settings.model_copy(
        update={"teacher_bot_token": SecretStr("1:a"), "telegram_api_url": "http://127.0.0.1:9"}
    )
    found = {each.subject: each.state for each in check(teachers)}
    assert (found["classroom"], found["classroom.key"]) == (FAILED, FAILED)


def test_keys(settings: Settings, used: Path) -> None:
    """Another key, a lost one, and one that others can read are told."""
    key_file = settings.encryption_key_file.with_name("classroom.key")
    key_file.chmod(0o644)
    assert both(settings) == [OK, WARNING]
    key_file.write_text(Fernet.generate_key().decode())
    assert both(settings) == [OK, FAILED]
    key_file.unlink()
    assert both(settings) == [OK, FAILED]
    assert not key_file.exists()
    given = settings.model_copy(update={"encryption_key": SecretStr(KEY)})
    assert both(given) == [OK, OK]


class FakeChecker(LocalEngine):
    """An engine for photos whose content is what is wrong with them, or "fine"."""

    def __init__(self) -> None:  # without worker processes
        self.is_closed = False

    async def check_photo(self, photo: bytes) -> PhotoFault | None:
        """Return what is wrong."""
        word = photo.decode()
        if word == "crash":
            raise FaceUnavailable("a face worker died")
        if word == "none":
            raise FaceRefused("the face engine is not installed (cv2)")
        if word == "slow":
            await asyncio.Event().wait()
        return None if word == "fine" else PhotoFault(word)

    async def close(self) -> None:
        """Record that it was closed."""
        self.is_closed = True


class TestPhotos:
    """ID photos are tried, and those that will not work are named."""

    @pytest.fixture
    def photos(self, settings: Settings) -> Path:
        """Return the folder of the photos of four students; a fifth one's face is not to be checked."""
        folder, rosters = settings.data_dir / "photos", settings.data_dir / "rosters"
        folder.mkdir(parents=True)
        rosters.mkdir()
        lines = [f"CS-1,Algebra,S{number},{'no' if number == 5 else ''}" for number in range(1, 6)]
        text = "\n".join(["batch,subject,student_id,face_allowed", *lines])
        (rosters / "students.csv").write_text(text, encoding="utf-8")
        return folder

    def put(self, folder: Path, **photos: str) -> None:
        """Write photos."""
        for student, content in photos.items():
            (folder / f"{student}.jpg").write_text(content)

    def test_named(self, settings: Settings, photos: Path) -> None:
        """Each photo that will not work is named by student ID with its reason; who is not allowed is not tried."""
        self.put(photos, S1="fine", S2="two faces", S3="crash", S5="no face")
        checker = FakeChecker()
        found = check_faces(settings, checker)
        assert (found.subject, found.state) == ("faces", WARNING)
        assert found.detail.splitlines() == [
            f"local; 3 of 4 students have a photo in {photos}; will not work: 2",
            "S2: two faces",
            "S3: a face worker died",
        ]
        assert checker.is_closed

    def test_fine(self, settings: Settings, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Photos that all work are ok; with many the progress is shown."""
        rows = "\n".join(f"CS-1,Algebra,T{number},yes" for number in range(100))
        text = f"batch,subject,student_id,face_allowed\n{rows}"
        (settings.data_dir / "rosters" / "students.csv").write_text(text, encoding="utf-8")
        self.put(photos, **{f"T{number}": "fine" for number in range(100)})
        assert check_faces(settings, FakeChecker()).state == OK
        assert capsys.readouterr().err == "ID photos: 50 of 100\nID photos: 100 of 100\n"

    @pytest.mark.parametrize("engine", ["local", "rekognition"])
    def test_many(self, settings: Settings, photos: Path, engine: str) -> None:
        """With an LMS all photos in the folder are tried; only so many are named, in order: T2 before T10."""
        changes = {"base_url": "https://lms/api/v1", "face_engine": engine}
        self.put(photos, **{f"T{number}": "blurred" for number in range(NAMED + 3)})
        found = check_faces(settings.model_copy(update=changes), FakeChecker()).detail.splitlines()
        assert (len(found), found[-1]) == (NAMED + 2, "and 3 more")
        assert found[1:-1] == [f"T{number}: blurred" for number in range(NAMED)]

    def test_time_limit(self, settings: Settings, photos: Path) -> None:
        """After the time limit the result says how many were tried."""
        self.put(photos, S1="fine", S2="slow", S3="fine", S4="fine")
        found = check_faces(settings, FakeChecker(), within=3.0)
        assert found.state == WARNING
        assert "only 3 were tried within 3 s" in found.detail

    def test_no_engine(self, settings: Settings, photos: Path) -> None:
        """Without the engine's packages nothing is tried, and the check fails."""
        self.put(photos, S1="none")
        assert check_faces(settings, FakeChecker()) == Result("faces", FAILED, "the face engine is not installed (cv2)")
