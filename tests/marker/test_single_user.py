"""SINGLE_USER: how the student's record follows the settings from start to start."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.encryption import Cipher
from core.settings import Settings, SettingsError
from core.sqlite import Database
from lessons.events import Event, StatusEvent
from marker.monitors.watch_state import WatchState
from marker.single_user import take_over_settings
from marker.tables.schema import SCHEMAS
from marker.tables.students import Watches
from monitor import profile_name
from portal.browser import Chromes
from storage import Storage, Student
from tests.marker.running import KEY, SteppedClock

pytestmark = pytest.mark.integration

ME = 1001
Starts = Callable[..., Student]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "data", Cipher(KEY))


@pytest.fixture
def state(tmp_path: Path, storage: Storage, clock: SteppedClock) -> WatchState:
    return WatchState(Watches(Database(tmp_path / "data" / "ledger.sqlite3", SCHEMAS)), clock)


@pytest.fixture
def starts(tmp_path: Path, storage: Storage, state: WatchState) -> Starts:
    """A start of the bot with a username, a password and an admin; returns the student's record."""

    def start(username: str = "a_student", password: str = "one", admin: int = ME) -> Student:
        settings = Settings(
            admin_telegram_id=(admin,), single_user=True, kbtu_username=username, kbtu_password=SecretStr(password)
        )
        take_over_settings(settings, storage, state, Chromes(tmp_path / "data" / "profiles"))
        (student,) = storage.students()
        assert (student.username, storage.password(admin)) == (username, password)
        return student

    return start


def test_an_unchanged_account(starts: Starts, storage: Storage) -> None:
    """A second start changes nothing, not even the ciphertext; the person's mode and stop stay."""
    first = starts()
    assert (first.telegram_id, first.monitoring, first.mode) == (ME, True, "automatic")
    assert first.password != "one"
    storage.set_mode(ME, "manual")
    stopped = storage.set_monitoring(ME, False)
    assert starts() == stopped


def test_a_changed_account(starts: Starts, storage: Storage, tmp_path: Path) -> None:
    """A changed password or username is taken over, mode and a stop stay, and the old account's profile is deleted."""
    starts()
    storage.set_mode(ME, "manual")
    storage.set_monitoring(ME, False)
    (profile := tmp_path / "data" / "profiles" / profile_name("a_student")).mkdir(parents=True)
    assert not starts(password="two").monitoring
    assert profile.exists()
    changed = starts("b_student", "two")
    assert (changed.mode, changed.monitoring) == ("manual", False)
    assert not profile.exists()


def test_a_corrected_password_is_monitored(
    starts: Starts, storage: Storage, state: WatchState, clock: SteppedClock
) -> None:
    """An account that the portal had refused is monitored again with another password; a later stop stays."""
    starts()
    state.troubled(ME, StatusEvent(Event.REFUSED, "wrong"))
    storage.set_monitoring(ME, False)
    assert not starts().monitoring
    assert starts(password="two").monitoring
    clock.forward(timedelta(minutes=1))
    state.checked(ME, clock.now())
    storage.set_monitoring(ME, False)
    assert not starts(password="three").monitoring


def test_a_corrected_admin(starts: Starts, storage: Storage) -> None:
    """Another admin's ID takes the record over."""
    starts(admin=7)
    storage.set_mode(7, "manual")
    assert (starts().telegram_id, storage.students()[0].mode) == (ME, "manual")


def test_an_admin_who_had_registered(starts: Starts, storage: Storage) -> None:
    """The admin's own registration becomes the record; the code stays used."""
    code = storage.create_invitation(ME)
    storage.redeem(code, ME, "a_student", "one")
    storage.set_mode(ME, "manual")
    assert starts(password="two").mode == "manual"
    assert storage.invitations()[code].used_by == ME


def test_other_students(starts: Starts, storage: Storage) -> None:
    """Where others have registered, nothing is changed, and the start fails with one line."""
    storage.redeem(storage.create_invitation(ME), 2001, "b_student", "secret")
    before = storage.students()
    with pytest.raises(SettingsError, match=r"^SINGLE_USER: got 1 and 1 other students in DATA_DIR, wants .*$"):
        starts()
    assert storage.students() == before
