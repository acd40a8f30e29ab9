"""A JSON file that survives a crash at any moment, with a copy beside it."""

import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.json_file import SCHEMA, DataDamaged, JsonFile, SchemaTooNew, migrate, replace_file
from tests.fakes import Disk, PowerCut

pytestmark = pytest.mark.unit


ONE_WRITE = ["write", "sync file", "rename to people.json", "sync folder"]
COPY = ["write", "sync file", "rename to people.json.copy", "sync folder"]


@dataclass(frozen=True)
class Person:
    name: str
    age: int
    schema: int = SCHEMA


def read(record: dict[str, Any]) -> Person:
    return Person(**{name: record[name] for name in Person.__dataclass_fields__})


BEFORE: Mapping[str, Person] = {"1": Person("Аида", 20)}
AFTER: Mapping[str, Person] = {"1": Person("Аида", 21), "2": Person("Ben\n«2»", 30)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.json"


@pytest.fixture
def file(path: Path) -> JsonFile[Person]:
    return JsonFile(path, read)


def copy_of(path: Path) -> Path:
    return path.with_name("people.json.copy")


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("people.json*.damaged-*"))


class TestRoundTrip:
    @given(st.dictionaries(st.text(), st.builds(Person, name=st.text(), age=st.integers())))
    def test_any_records(self, records: dict[str, Person]) -> None:
        """What is saved is loaded again, whatever characters stand in it, from the file and from the copy."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "people.json"
            JsonFile(path, read).save(records)
            assert JsonFile(path, read).load() == records
            path.unlink()
            assert JsonFile(path, read).load() == records

    def test_first_start(self, path: Path, file: JsonFile[Person]) -> None:
        """Without a file there are no records, and afterwards an empty file for its owner alone, with a copy."""
        assert file.load() == {}
        for each in (path, copy_of(path)):
            assert json.loads(each.read_text()) == {}
            assert stat.S_IMODE(each.stat().st_mode) == 0o600

    def test_for_people_to_read(self, path: Path, file: JsonFile[Person]) -> None:
        """The file is plain, indented JSON with letters as they are: a mapping by key, as the product promises."""
        file.save(BEFORE)
        assert json.loads(path.read_text()) == {"1": {"name": "Аида", "age": 20, "schema": SCHEMA}}
        assert "Аида" in path.read_text()
        assert len(path.read_text().splitlines()) > 1

    def test_modes_are_mended(self, path: Path, file: JsonFile[Person]) -> None:
        """A file that others could read is closed to them at the next start."""
        file.save(BEFORE)
        path.chmod(0o644)
        file.load()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


class TestCrash:
    """A power cut, or a full disk, at each step on the way to the disk."""

    def test_order(self, file: JsonFile[Person], monkeypatch: pytest.MonkeyPatch) -> None:
        """The content is synced before it gets its name and the folder after, the file before its copy."""
        disk = Disk(monkeypatch)
        file.save(BEFORE)
        assert disk.steps == ONE_WRITE + COPY

    @pytest.mark.parametrize("at", range(8), ids=ONE_WRITE + COPY)
    def test_power_cut(self, path: Path, file: JsonFile[Person], monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        """Cut off at any step, the file loads as it was or as it was to be; what was saved before is never lost."""
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
        self, path: Path, file: JsonFile[Person], monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        """Cut off at any step and the file damaged besides, the copy has what was saved before."""
        file.save(BEFORE)
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at)
            with pytest.raises(PowerCut):
                file.save(AFTER)
        path.write_text('{"1": {"name"')
        assert JsonFile(path, read).load() in (BEFORE, AFTER)

    @pytest.mark.parametrize("at", range(4), ids=ONE_WRITE)
    def test_full_disk(self, path: Path, file: JsonFile[Person], monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        """A failed write is told, leaves a whole file, and may be tried again."""
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
        file: JsonFile[Person],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        at: int,
    ) -> None:
        """Where only the copy fails, the change is saved all the same and the log tells it."""
        file.save(BEFORE)
        Disk(monkeypatch).fail(OSError(28, "No space left on device"), at)
        file.save(AFTER)
        assert "the copy is one change behind" in caplog.text
        assert JsonFile(path, read).load() == AFTER

    @pytest.mark.parametrize("at", range(9))
    def test_power_cut_while_the_copy_is_put_in(
        self, path: Path, file: JsonFile[Person], monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        """Cut off while a damaged file is replaced by its copy, the next start still finds everything."""
        file.save(BEFORE)
        path.write_text("")
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at)  # setting aside, then the eight steps of a save
            with pytest.raises(PowerCut):
                file.load()
        assert JsonFile(path, read).load() == BEFORE

    def test_half_written_file_of_before(self, path: Path, file: JsonFile[Person]) -> None:
        """What an interrupted write left beside the file harms nothing, not even by its mode."""
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
        self, path: Path, file: JsonFile[Person], caplog: pytest.LogCaptureFixture, content: bytes
    ) -> None:
        """A damaged file is set aside as it is, and the copy takes its place; the log says so without quoting."""
        file.save(BEFORE)
        path.write_bytes(content)
        assert file.load() == BEFORE
        assert [each.read_bytes() for each in set_aside(path)] == [content]
        assert JsonFile(path, read).load() == BEFORE
        assert "is damaged; set aside as people.json.damaged-" in caplog.text
        assert "used the copy people.json.copy" in caplog.text

    @given(st.data())
    def test_cut_off_anywhere(self, data: st.DataObject) -> None:
        """A file that ends too early, wherever, is noticed, and nothing is lost."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "people.json"
            file = JsonFile(path, read)
            file.save(AFTER)
            whole = path.read_bytes()
            path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
            assert file.load() == AFTER
            assert len(set_aside(path)) == 1

    def test_secrets_stay_out_of_the_log(
        self, path: Path, file: JsonFile[Person], caplog: pytest.LogCaptureFixture
    ) -> None:
        """What people typed is not quoted where a damaged file is reported."""
        file.save(BEFORE)
        path.write_text('{"1": {"name": "what a person typed", "age": tru')
        file.load()
        assert "what a person typed" not in caplog.text

    def test_file_is_missing(self, path: Path, file: JsonFile[Person]) -> None:
        """A file that is gone comes back from its copy."""
        file.save(BEFORE)
        path.unlink()
        assert file.load() == BEFORE
        assert set_aside(path) == []
        assert path.read_bytes() == copy_of(path).read_bytes()

    def test_copy_is_missing(self, path: Path, file: JsonFile[Person]) -> None:
        """Without the copy nothing is lost, and the next start makes it again, before the file is damaged."""
        file.save(BEFORE)
        copy_of(path).unlink()
        assert file.load() == BEFORE
        assert copy_of(path).exists()
        assert path.read_bytes() == copy_of(path).read_bytes()

    def test_copy_is_behind(self, path: Path, file: JsonFile[Person], monkeypatch: pytest.MonkeyPatch) -> None:
        """A change that a start has shown stays, also where the power was cut before it reached the copy."""
        file.save(BEFORE)
        with monkeypatch.context() as patches:
            Disk(patches).fail(PowerCut(), at=4)
            with pytest.raises(PowerCut):
                file.save(AFTER)
        assert file.load() == AFTER
        path.write_text("damaged later")
        assert file.load() == AFTER

    def test_both_are_damaged(self, path: Path, file: JsonFile[Person]) -> None:
        """With the copy damaged, too, nothing starts and nothing is touched: to begin empty is a person's choice."""
        file.save(BEFORE)
        path.write_text("{")
        copy_of(path).write_text("[")
        for _ in range(2):
            with pytest.raises(DataDamaged):
                file.load()
        assert (path.read_text(), copy_of(path).read_text(), set_aside(path)) == ("{", "[", [])

    def test_damaged_twice(self, path: Path, file: JsonFile[Person]) -> None:
        """Every damaged file is kept under a name of its own."""
        file.save(BEFORE)
        for content in ("one", "two"):
            path.write_text(content)
            file.load()
        assert sorted(each.read_text() for each in set_aside(path)) == ["one", "two"]


class TestSchema:
    def test_newer_one_is_refused(self, path: Path, file: JsonFile[Person]) -> None:
        """A file of a newer program is refused in one line, and nothing is touched."""
        file.save(BEFORE)
        path.write_text(json.dumps({"1": asdict(Person("Аида", 20, schema=SCHEMA + 1)), "2": {"other": "fields"}}))
        before = {each: each.read_bytes() for each in path.parent.iterdir()}
        with pytest.raises(SchemaTooNew, match=rf"^the data has schema {SCHEMA + 1}; .* knows up to {SCHEMA}$"):
            file.load()
        assert {each: each.read_bytes() for each in path.parent.iterdir()} == before

    def test_record_without_a_version(self) -> None:
        """A record that names no schema is of the first one."""
        assert migrate({"name": "A"}) == {"name": "A", "schema": SCHEMA}

    def test_from_1_to_2(self) -> None:
        """Version 2 knows for whom a code is and that it may be revoked; nobody else's record gets such fields."""
        code = {"created_by": 11, "created_at": "2026-08-31T09:00:00+00:00", "used_by": None, "used_at": None}
        assert migrate({**code, "schema": 1}) == {**code, "note": "", "revoked_at": None, "schema": 2}
        newer = {**code, "note": "for Aida", "revoked_at": "2026-09-01T09:00:00+00:00", "schema": 2}
        assert migrate(newer) == newer
        assert migrate({"telegram_id": 501, "schema": 1}) == {"telegram_id": 501, "schema": 2}


def test_replace_file_makes_it_private(tmp_path: Path) -> None:
    """A replaced file is for its owner alone."""
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o666)
    replace_file(path, "after")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("after", 0o600)
