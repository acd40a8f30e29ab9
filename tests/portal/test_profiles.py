"""Chrome's profiles: one per account, deleted when it is forgotten."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from monitor import profile_name
from portal.browser import Chromes
from portal.errors import BrowserFailed
from portal.processes import PROFILE_VARIABLE

pytestmark = pytest.mark.unit


def test_one_account_one_name() -> None:
    """Every spelling of an account has the same profile, and the username is not in its name."""
    names = {profile_name(spelling) for spelling in ("a_student", "A_Student", " a_student@kbtu.kz ")}
    assert len(names) == 1
    assert "student" not in names.pop()
    assert profile_name("b_student") != profile_name("a_student")


@pytest.mark.parametrize("is_used", [False, True])
def test_locks_of_a_chrome_that_did_not_end_cleanly(tmp_path: Path, is_used: bool) -> None:
    """They are deleted before a start, but not while a process of ours uses the profile."""
    profile = tmp_path / "one"
    profile.mkdir()
    lock = profile / "SingletonLock"
    lock.symlink_to("another-host-7")
    environment = {**os.environ, PROFILE_VARIABLE: str(profile if is_used else tmp_path / "other")}
    process = subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True)
    try:
        with pytest.raises(BrowserFailed):
            Chromes(tmp_path, "/bin/true", "/bin/false").open("one", time.sleep)
        assert lock.is_symlink() is is_used
    finally:
        process.kill()
        process.wait()


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
