"""An archive of the data folder, restored; hostile archives; people who were deleted meanwhile; writes going on."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout
from pydantic import SecretStr

from backup import MANIFEST, BackupError
from backup.archive import back_up
from backup.restore import RESTORING, restore
from classroom.database import open_database
from classroom.domain.face_records import Consent
from classroom.domain.sessions import Binding
from classroom.store.sqlite import SqliteStore
from core.deletions import Deletions
from core.encryption import EncryptionKeyError, open_cipher
from core.json_file import DataDamaged
from core.settings import Settings
from core.sqlite import Database, DatabaseError, Schema
from marker.tables.schema import SCHEMAS
from marker.tables.students import Watches
from storage import Storage
from telegram_app.claims import Claims
from telegram_app.people import People
from tests.classroom.store.contract import NOW, TEACHER, check_in, opened
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit

STAYS, LEAVES = 777_000_777_123, 777_000_777_124
ROSTER = "batch;subject;student_id;name\nCS-1;Algebra;CS-1-b00;A. Student\n"


def settings_of(folder: Path, **more: Any) -> Settings:
    key = folder.parent / "secrets" / "encryption.key"
    return Settings(data_dir=folder, encryption_key_file=key, **more)


def fill(data: Path) -> None:
    """Make the data of both halves, with two people."""
    secrets = data.parent / "secrets"
    cipher = open_cipher(None, secrets / "encryption.key", may_create=True, hashes=True)
    storage = Storage(data, cipher)
    with closing(Database(data / "ledger.sqlite3", SCHEMAS)) as ledger:
        for person, username in ((STAYS, "a_stays"), (LEAVES, "a_leaves")):
            storage.redeem(storage.create_invitation(1), person, username, "password")
            Watches(ledger).set(person, skip_date="2026-09-01")
            People(ledger, "marker").set_language(person, "ru")
            Claims(ledger, "marker").claim(f"refused:{person}", NOW)
    (data / "classroom").mkdir()
    (data / "rosters" / "marks").mkdir(parents=True)
    for name in ("students.csv", "marks/2026-09-01 CS-1.csv", ".hidden.csv"):
        (data / "rosters" / name).write_text(ROSTER, encoding="utf-8")
    (data / "photos").mkdir()
    (data / "photos" / "CS-1-b00.jpg").write_bytes(b"a picture of a face")
    sealing = open_cipher(None, secrets / "classroom.key", may_create=True, hashes=True)
    (secrets / "faces").mkdir()
    (secrets / "faces" / "names").write_bytes(bytes(32))

    async def fill_store(database: Database) -> None:
        store = SqliteStore(database, sealing)
        await store.open()
        session = await opened(store)
        await store.bind(Binding(STAYS, "CS-1-b00", NOW))
        await store.bind(Binding(LEAVES, "CS-1-b01", NOW))
        await store.begin_check_in(replace(check_in(session), student_id="CS-1-b01", telegram_id=LEAVES))
        for person in (STAYS, LEAVES):
            await store.save_teacher(replace(TEACHER, telegram_id=person, phone=str(person)))
            await store.set_consent(Consent(person, True, NOW, 1))
        await store.close()

    with closing(open_database(data / "classroom")) as database:
        asyncio.run(fill_store(database))
        People(database, "student").set_language(LEAVES, "kk")
        Claims(database, "student").claim(f"mark:aaa:CS-1-b01:{LEAVES}", NOW)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the data once for all tests."""
    folder = tmp_path_factory.mktemp("filled")
    fill(folder / "data")
    return folder


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    for name in ("data", "secrets"):
        shutil.copytree(filled / name, tmp_path / name)
    return tmp_path / "data"


@pytest.fixture
def file(data: Path, tmp_path: Path) -> Path:
    file = tmp_path / "backup.zip"
    back_up(data, file, datetime.now(UTC))
    return file


class TestBackUp:
    def test_round_trip(self, data: Path, file: Path, tmp_path: Path) -> None:
        """Restored are the students, codes, databases and rosters; only their owner can read them."""
        assert restore(file, settings_of(tmp_path / "new")) == (6, 0)
        new = tmp_path / "new"
        for name in ("rosters/students.csv", "rosters/marks/2026-09-01 CS-1.csv", "students.json", "invitations.json"):
            assert (new / name).read_bytes() == (data / name).read_bytes()
        assert not (new / "photos").exists()
        assert not (new / RESTORING).exists()
        files = [each for each in new.rglob("*") if each.is_file()]
        assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
        for name, table in (("ledger.sqlite3", "watches"), ("classroom/classroom.sqlite3", "bindings")):
            found = []
            for folder in (data, new):
                with closing(sqlite3.connect(folder / name)) as database:
                    found.append(database.execute(f"SELECT * FROM {table}").fetchall())
            assert len(found[0]) == 2
            assert found[0] == found[1]

    def test_no_keys(self, data: Path, file: Path, tmp_path: Path) -> None:
        """The archive, 0600, has no key, no photo and no passing file; nothing is left beside it."""
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with zipfile.ZipFile(file) as archive:
            content = b"".join(archive.read(name) for name in archive.namelist())
        for key in (each for each in (tmp_path / "secrets").rglob("*") if each.is_file() and each.stat().st_size):
            assert key.read_bytes().strip() not in content or key.name == "names"
        assert b"a picture of a face" not in content
        assert {each.name for each in tmp_path.iterdir()} == {"data", "secrets", "backup.zip"}

    def test_refused(self, data: Path, tmp_path: Path) -> None:
        """A backup inside of the data, or of a folder that is not there, is refused, as is a damaged JSON file."""
        with pytest.raises(BackupError, match="lies in DATA_DIR"):
            back_up(data, data / "rosters" / "backup.zip", NOW)
        with pytest.raises(BackupError, match="does not exist"):
            back_up(tmp_path / "nowhere", tmp_path / "backup.zip", NOW)
        (data / "students.json").write_text('{"77')
        with pytest.raises(BackupError, match=r"students\.json' is damaged"):
            back_up(data, tmp_path / "backup.zip", NOW)
        assert not (tmp_path / "backup.zip").exists()

    def test_written_meanwhile(self, data: Path, tmp_path: Path) -> None:
        """Each archive that is made while others write has whole transactions and whole files."""
        pairs = Schema("pairs", ("CREATE TABLE one (n INTEGER); CREATE TABLE two (n INTEGER);",), ("one", "two"))
        cipher = open_cipher(None, tmp_path / "secrets" / "encryption.key", may_create=False)
        storage, begun, over = Storage(data, cipher), threading.Event(), threading.Event()

        def write() -> None:
            with closing(Database(data / "pairs.sqlite3", [pairs])) as database:
                number = 0
                while not over.is_set():
                    number += 1
                    with database.transaction():
                        database.write("INSERT INTO one VALUES (?)", number)
                        database.write("INSERT INTO two VALUES (?)", number)
                    storage.redeem(storage.create_invitation(1), number, f"student_{number}", "password")
                    begun.set()  # its tables are there

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert begun.wait(PATIENCE)
            for number in range(5):
                back_up(data, tmp_path / f"{number}.zip", datetime.now(UTC))
        finally:
            over.set()
            writer.join()
        for number in range(5):
            new = tmp_path / f"new{number}"
            restore(tmp_path / f"{number}.zip", settings_of(new))
            with closing(sqlite3.connect(new / "pairs.sqlite3")) as database:
                one, two = (database.execute(f"SELECT n FROM {name}").fetchall() for name in ("one", "two"))
            assert one == two
            students = Storage(new, cipher).students()
            codes = Storage(new, cipher).invitations()
            assert all(codes[each.invitation_code].used_by == each.telegram_id for each in students)


class TestDeleted:
    def test_not_brought_back(self, data: Path, file: Path, tmp_path: Path) -> None:
        """Who was deleted after the backup is in no byte of what is restored from it; the others are."""
        cipher = open_cipher(None, tmp_path / "secrets" / "encryption.key", may_create=False, hashes=True)
        deletions = Deletions(tmp_path / "secrets" / "deletions", cipher.digest, lambda: datetime.now(UTC))
        for of in ("marker", "classroom", "teachers"):
            deletions.add(of, LEAVES)
        new = tmp_path / "new"
        assert restore(file, settings_of(new))[1] == 1
        content = b"".join(each.read_bytes() for each in new.rglob("*") if each.is_file())
        for gone in (str(LEAVES).encode(), LEAVES.to_bytes(6, "big"), b"a_leaves"):
            assert gone not in content
        for kept in (str(STAYS).encode(), STAYS.to_bytes(6, "big"), b"a_stays"):
            assert kept in content
        with closing(open_database(new / "classroom")) as database:
            rows = [tuple(row) for row in database.read("SELECT telegram_id, student_id FROM bindings")]
            consents = database.read("SELECT * FROM consents")
        assert sorted(rows, key=str)[0] == (STAYS, "CS-1-b00")
        assert [person for person, _id in rows].count(None) == 1  # still taken
        assert consents == []  # one may have been withdrawn since then: everybody is asked again

    def test_deleted_before(self, data: Path, tmp_path: Path) -> None:
        """Who was deleted, came back, and was backed up then is restored."""
        cipher = open_cipher(None, tmp_path / "secrets" / "encryption.key", may_create=False, hashes=True)
        Deletions(tmp_path / "secrets" / "deletions", cipher.digest, lambda: datetime.now(UTC)).add("marker", LEAVES)
        back_up(data, tmp_path / "later.zip", datetime.now(UTC))
        assert restore(tmp_path / "later.zip", settings_of(tmp_path / "new"))[1] == 0
        assert len(json.loads((tmp_path / "new" / "students.json").read_text())) == 2

    def test_without_keys(self, file: Path, tmp_path: Path) -> None:
        """Without the keys nothing is restored: whom to leave out would be unknown, and the passwords unreadable."""
        shutil.rmtree(tmp_path / "secrets")
        with pytest.raises(EncryptionKeyError, match="restore the key"):
            restore(file, settings_of(tmp_path / "new"))
        assert [each.name for each in (tmp_path / "new").iterdir()] in ([], ["lock"])


def remade(file: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> None:
    """Write an archive anew after a change of its files and its manifest."""
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop(MANIFEST))
    change(files, manifest)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(manifest))
        for name, content in files.items():
            archive.writestr(name, content)


def add(files: dict[str, bytes], manifest: dict[str, Any], name: str, content: bytes) -> None:
    files[name] = content
    manifest["files"][name] = {"size": len(content), "sha256": sha256(content).hexdigest()}


def test_a_device_is_not_replaced(data: Path, tmp_path: Path) -> None:
    """A backup to what is no file, such as /dev/stdout, is refused instead of putting a file in its place."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BackupError, match="is no file: name a file, or - for"):
        back_up(data, tmp_path / "pipe", NOW)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_lost_hashing_key(data: Path, file: Path, tmp_path: Path) -> None:
    """Without the key of the deletions' hashes nothing is restored, also with ENCRYPTION_KEY: all would come back."""
    (tmp_path / "secrets" / "hashing.key").unlink()
    (tmp_path / "secrets" / "deletions").touch()
    keys = SecretStr((tmp_path / "secrets" / "encryption.key").read_text())
    for given in (None, keys):
        with pytest.raises(EncryptionKeyError, match=r"hashing\.key' is missing"):
            restore(file, settings_of(tmp_path / "new", encryption_key=given))
    assert [each.name for each in (tmp_path / "new").iterdir()] in ([], ["lock"])


class TestRefused:
    @pytest.fixture(autouse=True)
    def nothing_is_left(self, tmp_path: Path) -> Any:
        """A refused archive leaves the folder as empty as it was, and nothing outside of it."""
        before = {each for each in tmp_path.rglob("*") if "new" not in each.parts}
        yield
        new = tmp_path / "new"
        assert [each.name for each in new.iterdir()] in ([], ["lock"])
        made = {each for each in tmp_path.rglob("*") if not each.is_relative_to(new)} - before
        assert {each.name for each in made} <= {"data", "secrets", "backup.zip"} | {
            each.name for top in ("data", "secrets") for each in (tmp_path / top).rglob("*")
        }

    @pytest.mark.parametrize(
        "name",
        [
            *("../outside", "/tmp/outside", "rosters/../../outside", "rosters/../students.csv", "rosters/a/b.csv"),
            *("rosters/..", "rosters/.", "secrets/encryption.key", "classroom/reviews/x", "rosters\\..\\x", "lock"),
        ],
    )
    def test_other_files(self, file: Path, tmp_path: Path, name: str) -> None:
        """An archive with a file that no backup has, or that leads out of the folder, is refused as a whole."""
        remade(file, lambda files, manifest: add(files, manifest, name, b"hostile"))
        with pytest.raises(BackupError, match="has other files"):
            restore(file, settings_of(tmp_path / "new"))

    def test_not_in_the_manifest(self, file: Path, tmp_path: Path) -> None:
        """A file that the manifest does not name, or one twice, is refused."""
        with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as archive:
            archive.writestr("rosters/students.csv", "batch")
        with pytest.raises(BackupError, match="has other files"):
            restore(file, settings_of(tmp_path / "new"))

    def test_changed(self, file: Path, tmp_path: Path) -> None:
        """A file with other content than the manifest says, or a longer one, is refused."""
        for content in (ROSTER.replace("A.", "B."), ROSTER * 2):
            remade(file, lambda files, _manifest, text=content: files.update({"rosters/students.csv": text.encode()}))  # type: ignore[misc]
            with pytest.raises(BackupError, match=r"file rosters/students\.csv is damaged"):
                restore(file, settings_of(tmp_path / "new"))

    def test_newer(self, file: Path, tmp_path: Path) -> None:
        """An archive of a newer version, and a database of one, are refused."""
        shutil.copy(file, tmp_path / "new.zip")
        remade(file, lambda _files, manifest: manifest.update(format=2))
        with pytest.raises(BackupError, match="newer version"):
            restore(file, settings_of(tmp_path / "new"))
        (tmp_path / "new.zip").rename(file)
        newer = tmp_path / "data" / "newer.sqlite3"
        Database(newer, [Schema("marker", ("SELECT 1;",) * 99, ())]).close()
        content = newer.read_bytes()
        newer.unlink()
        remade(file, lambda files, manifest: add(files, manifest, "ledger.sqlite3", content))
        with pytest.raises(DatabaseError, match="schema 99 of marker"):
            restore(file, settings_of(tmp_path / "new"))

    @pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" * 30])
    def test_no_archive(self, data: Path, tmp_path: Path, content: bytes) -> None:
        """Something else is refused in one line."""
        file = tmp_path / "backup.zip"
        file.write_bytes(content)
        with pytest.raises(BackupError, match="is damaged, or no backup"):
            restore(file, settings_of(tmp_path / "new"))

    @pytest.mark.parametrize("part", range(1, 10))
    def test_damaged(self, file: Path, tmp_path: Path, part: int) -> None:
        """An archive that is cut off, or with changed bytes anywhere, is refused, or what was changed is not used."""
        content = file.read_bytes()
        at = len(content) * part // 10
        file.write_bytes(content[:at])
        with pytest.raises(BackupError):
            restore(file, settings_of(tmp_path / "new"))
        file.write_bytes(content[:at] + bytes(each ^ 0xFF for each in content[at : at + 40]) + content[at + 40 :])
        with pytest.raises(BackupError):
            restore(file, settings_of(tmp_path / "new"))

    @pytest.mark.parametrize("kind", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
    def test_other_compression(self, file: Path, tmp_path: Path, kind: int) -> None:
        """An archive that is packed otherwise is none of ours: each decompressor has errors of its own."""
        with zipfile.ZipFile(file) as archive:
            files = {each: archive.read(each) for each in archive.namelist()}
        with zipfile.ZipFile(file, "w", kind) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        with pytest.raises(BackupError, match="is no backup"):
            restore(file, settings_of(tmp_path / "new"))

    def test_deep_json(self, file: Path, tmp_path: Path) -> None:
        """A file of students that is nested too deeply is damaged."""
        remade(file, lambda files, manifest: add(files, manifest, "students.json", b"[" * 100_000))
        with pytest.raises(DataDamaged):
            restore(file, settings_of(tmp_path / "new"))

    def test_a_bomb(self, file: Path, tmp_path: Path) -> None:
        """More than the disk has free is refused before it is written."""
        change = {"size": 2**60, "sha256": ""}
        remade(file, lambda _files, manifest: manifest["files"].update({"ledger.sqlite3": change}))
        with pytest.raises(BackupError, match="not enough disk space"):
            restore(file, settings_of(tmp_path / "new"))


class TestFolder:
    def test_not_empty(self, data: Path, file: Path, tmp_path: Path) -> None:
        """A folder that holds anything is refused and not changed."""
        before = {each: each.read_bytes() for each in data.rglob("*") if each.is_file()}
        with pytest.raises(BackupError, match="is not empty"):
            restore(file, settings_of(data))
        assert {each: each.read_bytes() for each in data.rglob("*") if each.is_file() and each.name != "lock"} == before

    def test_in_use(self, file: Path, tmp_path: Path) -> None:
        """A folder that a bot uses is refused."""
        (tmp_path / "new").mkdir()
        with FileLock(tmp_path / "new" / "lock"), pytest.raises(Timeout):
            restore(file, settings_of(tmp_path / "new"))

    def test_after_a_kill(self, file: Path, tmp_path: Path) -> None:
        """What a killed restore left in its own folder is replaced by the next one."""
        (tmp_path / "new" / RESTORING).mkdir(parents=True)
        (tmp_path / "new" / RESTORING / "students.json").write_text("half")
        assert restore(file, settings_of(tmp_path / "new"))[0] == 6

    def test_with_keys_from_the_environment(self, tmp_path: Path) -> None:
        """ENCRYPTION_KEY is enough."""
        (tmp_path / "data").mkdir()
        key = "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM="
        Storage(tmp_path / "data", open_cipher(key, tmp_path / "unused" / "key", may_create=True))
        back_up(tmp_path / "data", tmp_path / "backup.zip", NOW)
        assert restore(tmp_path / "backup.zip", settings_of(tmp_path / "new", encryption_key=SecretStr(key)))[0] == 2
