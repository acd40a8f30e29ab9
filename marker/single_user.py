"""The bot for one person (SINGLE_USER): the only student's account comes from the settings."""

import logging

from core.settings import Settings, SettingsError
from lessons.events import Event
from marker.monitors.watch_state import WatchState
from monitor import profile_name
from portal.browser import Chromes
from storage import AlreadyRegistered, Storage, account_key

log = logging.getLogger(__name__)

REMEDIED = (Event.REFUSED.value, Event.BLOCKED.value)  # troubles that another account or password may end


def take_over_settings(settings: Settings, storage: Storage, state: WatchState, chromes: Chromes) -> None:
    """Make the settings' account the only student, monitored unless the person has stopped it. Blocks.

    Where the portal had refused the account before, a changed one is monitored again. Raises SettingsError.
    """
    (person,), username, password = settings.admin_telegram_id, settings.kbtu_username, settings.kbtu_password
    if username is None or password is None:
        raise SettingsError("KBTU_USERNAME and KBTU_PASSWORD: got nothing, since SINGLE_USER is on")
    try:
        before = storage.keep_only(person, username, password.get_secret_value())
    except AlreadyRegistered as refused:
        raise SettingsError(in_use(str(refused))) from refused
    if before is None or before == storage.student(person):
        return
    log.info("student %d: the account in the settings has changed", person)
    if account_key(before.username) != account_key(username):
        chromes.forget(profile_name(before.username))
    watch = state.of(before.telegram_id)
    if watch.trouble in REMEDIED and watch.trouble_at and (not watch.last_check or watch.trouble_at > watch.last_check):
        storage.set_monitoring(person, True)


def in_use(others: str) -> str:
    """Return why SINGLE_USER can't begin on a folder of several students."""
    return f"SINGLE_USER: got 1, but {others} are registered in DATA_DIR; wants them removed, or another DATA_DIR"
