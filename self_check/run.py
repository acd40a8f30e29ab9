"""Runs all checks and formats the table.

They change nothing and can run beside the bot: data is read from a copy, no update is fetched, and Chrome gets a
temporary profile.
"""

import sqlite3
from collections.abc import Callable
from functools import partial

from classroom.lms import LmsError
from core.json_file import DataDamaged, SchemaTooNew
from core.settings import BOT_TOKENS, Settings, misspelt_in_environment
from portal.errors import PortalError
from self_check import FAILED, OK, WARNING, Result, data, faces, outside
from storage import StorageUnavailable


def check(settings: Settings) -> list[Result]:
    """Run all checks that the settings need; a failed one does not stop the others."""
    whose = f", for {settings.kbtu_username} alone" if settings.single_user else ""
    read, doubtful = f"DATA_DIR {settings.data_dir}, time zone {settings.timezone}{whose}", misspelt_in_environment()
    results = [Result("settings", WARNING if doubtful else OK, "\n".join([read, *doubtful]))]
    for subject, run in _checks(settings):
        try:
            results.append(run(settings))
        except (OSError, sqlite3.Error, PortalError, StorageUnavailable, DataDamaged, SchemaTooNew, LmsError) as error:
            results.append(Result(subject, FAILED, " ".join(str(error).split())))
    return results


def _checks(settings: Settings) -> list[tuple[str, Callable[[Settings], Result]]]:
    tokens = [setting for setting in BOT_TOKENS if getattr(settings, setting) is not None]
    checks: list[tuple[str, Callable[[Settings], Result]]] = [
        (outside.bot_name(setting), partial(outside.check_token, setting=setting)) for setting in tokens
    ]
    if "telegram_bot_token" in tokens:
        checks = [
            ("storage", data.check_storage),
            ("database", data.check_database),
            ("key", data.check_key),
            ("machine", outside.check_machine),
            *checks,
            ("admin", outside.check_admins),
            ("Chrome", outside.check_chrome),
            ("portal", outside.check_portal),
        ]
    if "teacher_bot_token" in tokens:
        checks += [("classroom", data.check_classroom), ("classroom.key", data.check_classroom_key)]
        checks += [("rosters", data.check_rosters), ("faces", faces.check_faces)]
    return checks


def table(results: list[Result]) -> str:
    """Format the results as aligned lines for a terminal."""
    width = max(len(result.subject) for result in results)
    below = "\n" + " " * (width + 11)
    rows = (f"{each.subject:<{width}}  {each.state:<7}  {below.join(each.detail.splitlines())}" for each in results)
    return "\n".join(rows)
