"""The bot for one person (SINGLE_USER): the only student's account comes from the settings."""

from core.settings import Settings, SettingsError
from lessons.events import Event
from marker.monitors.watch_state import WatchState
from monitor import profile_name
from portal.browser import Chromes
from storage import Storage

# troubles that another account or password may end
REMEDIED = {Event.REFUSED.value, Event.BLOCKED.value, Event.PASSWORD_EXPIRED.value, "AccountLocked", "AccountExpired"}


def take_over_settings(settings: Settings, storage: Storage, state: WatchState, chromes: Chromes) -> None:
    """Make the settings' account the only student, monitored unless the person has stopped it. Blocks.

    Where the portal had refused the account before, a changed one is monitored again. Raises SettingsError.
    """
    person, username, password = settings.admin_telegram_id[0], settings.kbtu_username or "", settings.kbtu_password
    if problem := in_use(storage, person):
        raise SettingsError(problem)
    before = storage.keep_only(person, username, password.get_secret_value() if password else "")
    if before is None or before == storage.student(person):
        return
    if profile_name(before.username) != profile_name(username):
        chromes.forget(profile_name(before.username))
    watch = state.of(before.telegram_id)
    if watch.trouble in REMEDIED and watch.trouble_at and (not watch.last_check or watch.trouble_at > watch.last_check):
        storage.set_monitoring(person, True)


def in_use(storage: Storage, person: int) -> str:
    """Return why the bot can't be this person's alone: others have registered; empty if it can."""
    others = sum(each.invitation_code != "" and each.telegram_id != person for each in storage.students())
    problem = f"SINGLE_USER: got 1 and {others} other students in DATA_DIR, wants another DATA_DIR, or them removed"
    return problem if others else ""
