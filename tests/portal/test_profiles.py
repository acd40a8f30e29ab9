"""Chrome's profiles: one an account, and gone when it is forgotten."""

from pathlib import Path

import pytest

from monitor import profile_name
from portal.browser import Chromes

pytestmark = pytest.mark.unit


def test_one_account_one_name() -> None:
    """Every spelling of an account has the same profile, whose name tells nobody whose it is."""
    names = {profile_name(spelling) for spelling in ("a_student", "A_Student", " a_student@kbtu.kz ")}
    assert len(names) == 1
    assert "student" not in names.pop()
    assert profile_name("b_student") != profile_name("a_student")


def test_forgotten(tmp_path: Path) -> None:
    """A forgotten profile is gone with all that is in it, the others stay; one that never was is no error."""
    for name in ("one", "other"):
        (tmp_path / name / "Default").mkdir(parents=True)
        (tmp_path / name / "Default" / "Cookies").touch()
    chromes = Chromes(tmp_path)
    chromes.forget("one")
    chromes.forget("one")
    chromes.forget("never there")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (tmp_path / "other" / "Default" / "Cookies").exists()
