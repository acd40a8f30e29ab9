"""Both halves share one account of the machine: what face workers take is reserved before monitors are counted."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from classroom.face_composition import reserve_workers
from classroom.faces.local import workers
from core.machine import FACE_WORKER, HEADLESS_SHELL, Machine
from core.settings import Settings
from self_check import WARNING
from self_check.outside import check_machine
from tests.classroom.running import TEACHER_TOKEN
from tests.e2e.people import TOKEN

pytestmark = pytest.mark.unit


def settings(folder: Path, **more: object) -> Settings:
    tokens = {"telegram_bot_token": SecretStr(TOKEN), "teacher_bot_token": SecretStr(TEACHER_TOKEN)}
    return Settings(_env_file=None, data_dir=folder, **tokens | more)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("more", "reserves"),
    [
        ({"face_engine": "local"}, True),
        ({"face_engine": "rekognition", "aws_s3_bucket": "photos"}, True),
        ({"face_engine": "none"}, False),
        ({"teacher_bot_token": None, "face_engine": "local"}, False),
    ],
)
def test_workers_are_reserved(tmp_path: Path, more: dict[str, object], reserves: bool) -> None:
    """Every engine's workers are taken off the account, and nothing where no face is checked."""
    machine = Machine()
    before = dict(machine.free)
    assert reserve_workers(settings(tmp_path, **more), machine) == ""
    taken = {name: before[name] - left for name, left in machine.free.items()}
    assert workers() > 0
    assert taken == {name: workers() * FACE_WORKER[name] if reserves else 0 for name in before}


def test_check_names_the_room(tmp_path: Path) -> None:
    """The check's line has the room by resource, less what face workers take, and what to change where it lacks."""
    lines = {}
    for engine in ("none", "local"):
        found = check_machine(settings(tmp_path, face_engine=engine, max_active_monitors=10_000))
        assert (found.subject, found.state) == ("machine", WARNING)
        assert re.match(r"room for 10000 monitors \(memory for \d+, processes and threads for \d+, open", found.detail)
        assert re.search(r"MB of disk free\nno room for 10000 monitors: .*: (raise|lift) ", found.detail)
        (lines[engine], _again) = map(int, re.findall(r"open files for (\d+)", found.detail))
    assert lines["none"] - lines["local"] == workers() * FACE_WORKER["open files"] // HEADLESS_SHELL["open files"]
