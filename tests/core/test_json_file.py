"""The crash-safe JSON file and its backup copy."""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.json_file import SCHEMA, DataDamaged, JsonFile, SchemaTooNew, delete_older, migrate, replace_file
from tests.fakes import Disk, PowerCut

pytestmark = pytest.mark.unit


ONE_WRITE = ["write", "sync file", "rename to people.json", "sync folder"]
COPY = ["write", "sync file", "rename to people.json.copy", "sync folder"]


@dataclass(frozen=True)
class Contact:
    name: str
    age: int
    schema: int = SCHEMA


def read(record: dict[str, Any]) -> Contact:
    return Contact(**{name: record[name] for name in Contact.__dataclass_fields__})


BEFORE: Mapping[str, Contact] = {"1": Contact("Аида", 20)}
AFTER: Mapping[str, Contact] = {"1": Contact("Аида", 21), "2": Contact("Ben\n«2»", 30)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.json"


@pytest.fixture
def file(path: Path) -> JsonFile[Contact]:
    return JsonFile(path, read)


def copy_of(path: Path) -> Path:
    return path.with_name("people.json.copy")


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("people.json*.damaged-*"))


class TestRoundTrip:
    @given(st.dictionaries(st.text(), st.builds(Contact, name=st.text(), age=st.integers())))
    def test_any_records(self, records: dict[str, Contact]) -> None:
        """Saved records are loaded unchanged, whatever their characters, from the file and from the copy."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "people.json"
            JsonFile(path, read).save(records)
            assert JsonFile(path, read).load() == records
            path.unlink()
            assert JsonFile(path, read).load() == records

    def test_first_start(self, path: Path, file: JsonFile[Contact]) -> None:
        """Without a file there are no records, and an empty file and copy are created, readable only by the owner."""
        assert file.load() == {}
        for each in (path, copy_of(path)):
            assert json.loads(each.read_text()) == {}
            assert stat.S_IMODE(each.stat().st_mode) == 0o600

    def test_readable_by_people(self, path: Path, file: JsonFile[Contact]) -> None:
        """The file is a plain mapping by key: indented JSON with unescaped letters."""
        file.save(BEFORE)
        assert json.loads(path.read_text()) == {"1": {"name": "Аида", "age": 20, "schema": SCHEMA}}
        assert "Аида" in path.read_text()
        assert len(path.read_text().splitlines()) > 1

    def test_mode_is_corrected(self, path: Path, file: JsonFile[Contact]) -> None:
        """A file that others can read is made private at the next start."""
        file.save(BEFORE)
        path.chmod(0o644)
        file.load()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


class TestCrash:
    """A power cut or a full disk at each step of a save."""

    def test_order(self, file: JsonFile[Contact], monkeypatch: pytest.MonkeyPatch) -> None:
        """The content is fsynced before the rename and the folder after it; the file is written before its copy."""
        disk = Disk(monkeypatch)
        file.save(BEFORE)
        assert disk.steps == ONE_WRITE + COPY

    @pytest.mark.parametrize("at", range(8), ids=ONE_WRITE + COPY)
    def test_power_cut(self, path: Path, file: JsonFile[Contact], monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        """After a power cut at any step, the file loads with the old or the new records."""
        file.save(BEFORE)
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at)
            with pytest.raises(PowerCut):
                file.save(AFTER)
        loaded = JsonFile(path, read).load()
        assert loaded == (BEFORE if at < ONE_WRITE.index("sync folder") else AFTER)
        assert set_aside(path) == []
        file.save(AFTER)
        assert JsonFile(path, read).load() == AFTER

    @pytest.mark.parametrize("at", range(8), ids=ONE_WRITE + COPY)
    def test_power_cut_and_damage(
        self, path: Path, file: JsonFile[Contact], monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        """After a power cut at any step and damage to the file, the copy has the old or the new records."""
        file.save(BEFORE)
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at)
            with pytest.raises(PowerCut):
                file.save(AFTER)
        path.write_text('{"1": {"name"')
        assert JsonFile(path, read).load() in (BEFORE, AFTER)

    @pytest.mark.parametrize("at", range(4), ids=ONE_WRITE)
    def test_full_disk(self, path: Path, file: JsonFile[Contact], monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        """A failed write raises an error, leaves a complete file, and can be repeated."""
        file.save(BEFORE)
        disk = Disk(monkeypatch)
        disk.fail(OSError(28, "No space left on device"), at)
        with pytest.raises(OSError, match="No space left"):
            file.save(AFTER)
        assert JsonFile(path, read).load() in (BEFORE, AFTER)
        disk.heal()
        file.save(AFTER)
        assert JsonFile(path, read).load() == AFTER

    @pytest.mark.parametrize("at", range(4, 8), ids=COPY)
    def test_copy_fails(
        self,
        path: Path,
        file: JsonFile[Contact],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        at: int,
    ) -> None:
        """If only writing the copy fails, the change is saved and the failure is logged."""
        file.save(BEFORE)
        Disk(monkeypatch).fail(OSError(28, "No space left on device"), at)
        file.save(AFTER)
        assert "the copy is one change behind" in caplog.text
        assert JsonFile(path, read).load() == AFTER

    @pytest.mark.parametrize("at", range(9))
    def test_power_cut_while_the_copy_replaces_the_file(
        self, path: Path, file: JsonFile[Contact], monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        """After a power cut while the copy replaces a damaged file, the next start loads all records."""
        file.save(BEFORE)
        path.write_text("")
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at)  # renaming the damaged file, then the eight steps of a save
            with pytest.raises(PowerCut):
                file.load()
        assert JsonFile(path, read).load() == BEFORE

    def test_leftover_temporary_file(self, path: Path, file: JsonFile[Contact]) -> None:
        """A temporary file that an interrupted write left affects neither content nor mode of the next save."""
        file.save(BEFORE)
        left = path.with_name("people.json.new")
        left.write_text("half of a much, much longer content than what comes now" * 50)
        left.chmod(0o644)
        file.save(AFTER)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert JsonFile(path, read).load() == AFTER


class TestDamage:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x00" * 40,
            b"\xff\xfe",
            b"null",
            b"[]",
            b'"text"',
            b'{"1": null}',
            b'{"1": {}}',
            b'{"1": {"name": "A"}}',
            b'{"1": {"name": "A", "age": 1, "schema": "one"}}',
            b'{"1": {"name": "A", "age": 1, "schema": null}}',
        ],
    )
    def test_copy_is_used(
        self, path: Path, file: JsonFile[Contact], caplog: pytest.LogCaptureFixture, content: bytes
    ) -> None:
        """A damaged file is kept under another name and replaced by the copy, and that is logged."""
        file.save(BEFORE)
        path.write_bytes(content)
        assert file.load() == BEFORE
        assert [each.read_bytes() for each in set_aside(path)] == [content]
        assert JsonFile(path, read).load() == BEFORE
        assert "is damaged: renamed to people.json.damaged-" in caplog.text
        assert "loaded the copy people.json.copy" in caplog.text

    @given(st.data())
    def test_cut_off_anywhere(self, data: st.DataObject) -> None:
        """A file that was truncated anywhere is detected, and no record is lost."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "people.json"
            file = JsonFile(path, read)
            file.save(AFTER)
            whole = path.read_bytes()
            path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
            assert file.load() == AFTER
            assert len(set_aside(path)) == 1

    def test_secrets_stay_out_of_the_log(
        self, path: Path, file: JsonFile[Contact], caplog: pytest.LogCaptureFixture
    ) -> None:
        """The log line about a damaged file does not quote it."""
        file.save(BEFORE)
        path.write_text('{"1": {"name": "what a person typed", "age": tru')
        file.load()
        assert "what a person typed" not in caplog.text

    def test_file_is_missing(self, path: Path, file: JsonFile[Contact]) -> None:
        """A missing file is restored from its copy."""
        file.save(BEFORE)
        path.unlink()
        assert file.load() == BEFORE
        assert set_aside(path) == []
        assert path.read_bytes() == copy_of(path).read_bytes()

    def test_copy_is_missing(self, path: Path, file: JsonFile[Contact]) -> None:
        """A missing copy is created again at the next start."""
        file.save(BEFORE)
        copy_of(path).unlink()
        assert file.load() == BEFORE
        assert copy_of(path).exists()
        assert path.read_bytes() == copy_of(path).read_bytes()

    def test_copy_is_behind(self, path: Path, file: JsonFile[Contact], monkeypatch: pytest.MonkeyPatch) -> None:
        """If a power cut prevented writing the copy, loading updates it."""
        file.save(BEFORE)
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at=4)
            with pytest.raises(PowerCut):
                file.save(AFTER)
        assert file.load() == AFTER
        path.write_text("damaged later")
        assert file.load() == AFTER

    def test_both_are_damaged(self, path: Path, file: JsonFile[Contact]) -> None:
        """If the copy is damaged as well, loading fails and changes nothing."""
        file.save(BEFORE)
        path.write_text("{")
        copy_of(path).write_text("[")
        for _ in range(2):
            with pytest.raises(DataDamaged):
                file.load()
        assert (path.read_text(), copy_of(path).read_text(), set_aside(path)) == ("{", "[", [])

    def test_damaged_twice(self, path: Path, file: JsonFile[Contact]) -> None:
        """Each damaged file is kept under its own name."""
        file.save(BEFORE)
        for content in ("one", "two"):
            path.write_text(content)
            file.load()
        assert sorted(each.read_text() for each in set_aside(path)) == ["one", "two"]


class TestSchema:
    def test_newer_one_is_refused(self, path: Path, file: JsonFile[Contact]) -> None:
        """The file of a newer program raises a one-line error, and nothing is changed."""
        file.save(BEFORE)
        path.write_text(json.dumps({"1": asdict(Contact("Аида", 20, schema=SCHEMA + 1)), "2": {"other": "fields"}}))
        before = {each: each.read_bytes() for each in path.parent.iterdir()}
        with pytest.raises(SchemaTooNew, match=rf"^the data has schema {SCHEMA + 1}; .* knows up to {SCHEMA}$"):
            file.load()
        assert {each: each.read_bytes() for each in path.parent.iterdir()} == before

    def test_record_without_a_version(self) -> None:
        """A record without a schema version has version 1."""
        assert migrate({"name": "A"}) == {"name": "A", "schema": SCHEMA}

    def test_from_1_to_2(self) -> None:
        """Version 2 adds a note and revoking to invitations, and no fields to other records."""
        code = {"created_by": 11, "created_at": "2026-08-31T09:00:00+00:00", "used_by": None, "used_at": None}
        assert migrate({**code, "schema": 1}) == {**code, "note": "", "revoked_at": None, "schema": 2}
        newer = {**code, "note": "for Aida", "revoked_at": "2026-09-01T09:00:00+00:00", "schema": 2}
        assert migrate(newer) == newer
        assert migrate({"telegram_id": 501, "schema": 1}) == {"telegram_id": 501, "schema": 2}


def test_replace_file_makes_it_private(tmp_path: Path) -> None:
    """A replaced file is readable only by its owner."""
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o666)
    replace_file(path, "after")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("after", 0o600)


def test_older_files_are_deleted(tmp_path: Path) -> None:
    """Old files go, also those in folders, and folders that they leave empty; new ones stay."""
    for name in ("old.csv", "new.csv", "a/old.csv", "b/old.csv", "b/new.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "just made").mkdir()
    for each in ("old.csv", "a/old.csv", "b/old.csv", "a"):
        os.utime(tmp_path / each, (1000, 1000))
    assert delete_older(tmp_path, datetime(2000, 1, 1, tzinfo=UTC)) == 3
    assert {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")} == {
        "new.csv",
        "b",
        "b/new.csv",
        "just made",
    }
    assert delete_older(tmp_path / "none", datetime(2000, 1, 1, tzinfo=UTC)) == 0
