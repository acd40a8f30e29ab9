"""The raw settings: the environment, .env, and files that are named by NAME_FILE. The environment takes precedence."""

import difflib
import io
import os
from collections.abc import Collection
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

# Names of others that are close to ours: boto3's addresses of single services.
_OF_OTHERS = ("AWS_ENDPOINT_URL_",)
_CLOSE = 0.85  # of difflib's ratio: REFRESH_INTERVALL, LOGLEVEL, TELEGRAM_TOKEN


def home(module: Path) -> Path:
    """Return the folder for .env, data and secrets: the project's in a checkout, the working directory if installed."""
    folders = (folder for folder in module.parents[:2] if folder.name not in ("site-packages", "dist-packages"))
    return next((folder for folder in folders if (folder / "pyproject.toml").is_file()), Path.cwd())


ROOT = home(Path(__file__).resolve())


class SettingsError(Exception):
    """Settings are missing or invalid (permanent: the operator must change them). The text has a line for each."""


def environment_file() -> Path | None:
    """Return the .env file to read: ENV_FILE if it is set (empty: no file), else the one in ROOT."""
    if (named := os.environ.get("ENV_FILE")) is None:
        return ROOT / ".env"
    return Path(named) if named else None


def from_environment() -> dict[str, str]:
    """Return the environment's non-empty variables by upper-case name."""
    return {name.upper(): value for name, value in os.environ.items() if value}


def from_file() -> dict[str, str]:
    """Return the non-empty values of .env by upper-case name."""
    path = environment_file()
    try:
        text = path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
    except (OSError, UnicodeDecodeError):  # `from None`: the cause contains the file's bytes
        raise SettingsError(f"'{path}': got a file that can't be read, wants text in UTF-8") from None
    broken = next((binding for binding in parse_stream(io.StringIO(text)) if binding.error), None)
    if broken is not None:  # never read as "not set": a mistyped token must not start the sandbox
        raise SettingsError(
            f"'{path}', line {broken.original.line}: can't be read; look for a quote that is not closed"
        )
    return {name.upper(): value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value}


def given() -> dict[str, str]:
    """Return the non-empty values of .env and the environment by upper-case name."""
    return {**from_file(), **from_environment()}


def add_secret_files(values: dict[str, str], secrets: Collection[str]) -> list[str]:
    """Add the content of NAME_FILE for each secret NAME that is not in the environment; return the mistakes."""
    mistakes = []
    for name in secrets:
        path = values.get(f"{name}_FILE")
        if not path or name in from_environment():
            continue
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            mistakes.append(f"{name}_FILE: got '{path}', wants a readable file ({error.strerror})")
        except UnicodeDecodeError:
            mistakes.append(f"{name}_FILE: got '{path}', wants a file of text")
    return mistakes


def misspelt(values: Collection[str], known: Collection[str]) -> list[str]:
    """Return a line for each name that is not a setting, but close to the name of one."""
    unknown = [name for name in values if name not in known and not name.startswith(_OF_OTHERS)]
    found = [(name, difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE)) for name in unknown]
    return [f"{name}: no such setting, did you mean {close[0]}?" for name, close in found if close]
