"""Licences and advisories of the packages that are installed with this program."""

from typing import Any

import httpx
import pytest

from tests.children import ROOT
from tools.advisories import look_up, main, pins
from tools.licences import BEGIN, END, mistakes, pinned

pytestmark = pytest.mark.unit

NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_all_packages_are_in_notice() -> None:
    """Each pinned package is listed with the licence of its own metadata, and nothing else is."""
    assert mistakes(NOTICE, REQUIREMENTS) == []


def test_packages_under_the_lgpl_are_named() -> None:
    """The text before the list names each package that is under the LGPL."""
    text, _, packages = NOTICE.partition(BEGIN)
    named = [line[2:].split(":")[0] for line in packages.splitlines() if "LGPL" in line]
    assert "python-telegram-bot" in named
    assert [name for name in named if name not in text] == []


def test_models_are_in_notice() -> None:
    """Each file of weights that is part of the repository is named."""
    weights = ROOT / "classroom" / "faces" / "weights"
    files = [
        file for file in weights.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc", ".md", ".txt")
    ]
    assert [file.name for file in files if file.name not in NOTICE] == []


def test_what_is_wrong_is_told() -> None:
    """A package that is missing, has another licence, or is no longer pinned is told by name."""
    notice = f"{BEGIN}- httpx: WTFPL\n- gone: MIT\n{END}"
    assert mistakes(notice, "httpx==0.28.1\n    # via x\nbabel==2.18.0\nother-platform==1 ; sys_platform == 'x'\n") == [
        "gone: in NOTICE, but not pinned",
        "httpx: NOTICE says WTFPL, the package BSD-3-Clause",
        "babel: not in NOTICE (BSD-3-Clause)",
        "other-platform: not in NOTICE (not installed here)",
    ]


def test_pins() -> None:
    """Names and versions are read without extras and markers."""
    assert pins("moto[s3,server]==5.2.5\n    # via x\na-b==1 ; sys_platform == 'x'\n") == [
        ("moto", "5.2.5"),
        ("a-b", "1"),
    ]
    assert len(pins(REQUIREMENTS)) == len(pinned(REQUIREMENTS)) > 50


def test_advisories(capsys: pytest.CaptureFixture[str]) -> None:
    """Advisories are printed with their package and fail the run; a database that can't be reached does not."""

    def ask(queries: dict[str, Any]) -> Any:
        bad = {"package": {"name": "httpx", "ecosystem": "PyPI"}}
        return {
            "results": [
                {"vulns": [{"id": "X-1"}]} if bad.items() <= each.items() else {} for each in queries["queries"]
            ]
        }

    def silent(queries: dict[str, Any]) -> Any:
        raise httpx.ConnectError("no route")

    assert look_up([("a", "1"), ("httpx", "2")], ask) == ["httpx 2: X-1"]
    assert main(ask) == 1
    assert main(silent) == 0
    assert "not checked" in capsys.readouterr().out.splitlines()[-1]
