"""The check of the layers accepts the project and rejects forbidden imports."""

import re
import shutil
from pathlib import Path

import pytest

from tests.servers import ROOT
from tools.check_layers import main
from tools.draw_imports import PICTURE, drawing, reduced

pytestmark = pytest.mark.integration
FOLDERS = ("core", "marker", "classroom", "telegram_app", "lessons", "portal", "self_check", "backup", "sandbox")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project's code into a folder, without bytecode, which other workers may be writing."""
    for source in (*ROOT.glob("*.py"), ROOT / "pyproject.toml"):
        shutil.copy(source, tmp_path)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_project_keeps_its_layers(project: Path) -> None:
    """The code breaks no contract."""
    assert main(project) == 0


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("portal/views.py", "from monitor import AttendanceMonitor"),
        ("core/clock.py", "from storage import Storage"),
        ("marker/menu.py", "from classroom.services import Classroom"),
        ("marker/menu.py", "from marker.admin.panel import AdminHandlers"),
        ("classroom/store/rows.py", "from classroom.teacher.board import Boards"),
        ("classroom/domain/sessions.py", "from telegram_app.lines import short"),
        ("sandbox/lms/server.py", "from sandbox.portal.world import PortalWorld"),
        ("telegram_app/outbox_table.py", "from telegram_app.outbox import Outbox"),
        ("storage.py", "from marker.monitors import registry"),
        ("telegram_app/outbox.py", "from marker.monitors.bridge import Bridge"),
        ("marker/menu.py", "from bot import main"),
        ("bot.py", "from sandbox.telegram.server import TelegramSimulator"),
        ("sandbox/portal/server.py", "from portal.views import decide"),
    ],
)
@pytest.mark.ordeal
def test_forbidden_import(project: Path, module: str, line: str) -> None:
    """An import against the layers, or between product and sandbox, fails the check."""
    path = project / module
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}  # forbidden\n", encoding="utf-8")
    assert main(project) != 0


def test_the_drawing_of_the_imports_is_up_to_date() -> None:
    """The picture of the packages shows the imports that the code has."""
    assert PICTURE.read_text(encoding="utf-8") == drawing()


def test_what_other_arrows_lead_to_is_not_drawn() -> None:
    """Of a -> b -> c and a -> c the last arrow is left out, and of a -> c alone it is not."""
    assert reduced({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}
    assert reduced({("a", "c"), ("b", "c")}) == {("a", "c"), ("b", "c")}


def test_the_files_that_the_architecture_names_exist() -> None:
    """Every module in the table "Where things happen" exists."""
    document = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = document.partition("## Where things happen")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w/]+\.py|[\w/]+/)`", table)
    paths = {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    paths |= {path.name for path in ROOT.glob("*.py")}
    missing = [name for name in named if not any(f"/{path}".find(f"/{name}") >= 0 for path in paths)]
    assert (len(named) > 40, missing) == (True, [])
