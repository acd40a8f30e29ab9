"""Chrome's profiles: one per account, deleted when it is forgotten."""

from pathlib import Path

import pytest

from monitor import profile_name
from portal.browser import Chromes

pytestmark = pytest.mark.unit


def test_one_account_one_name() -> None:
    """Every spelling of an account has the same profile, and the username is not in its name."""
    names = {profile_name(spelling) for spelling in ("a_student", "A_Student", " a_student@kbtu.kz ")}
    assert len(names) == 1
    assert "student" not in names.pop()
    assert profile_name("b_student") != profile_name("a_student")


def test_forgotten(tmp_path: Path) -> None:
    """Forgetting deletes the profile's folder only; a profile that does not exist is no error."""
    for name in ("one", "other"):
        (tmp_path / name / "Default").mkdir(parents=True)
        (tmp_path / name / "Default" / "Cookies").touch()
    chromes = Chromes(tmp_path)
    chromes.forget("one")
    chromes.forget("one")
    chromes.forget("never there")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (tmp_path / "other" / "Default" / "Cookies").exists()
