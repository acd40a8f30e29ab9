"""Logging: one line per event, and no secrets in it."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from core import logs

pytestmark = pytest.mark.unit


QUIET = ("httpx", "httpcore", "selenium", "urllib3")


@pytest.fixture(autouse=True)
def _restore_loggers() -> Iterator[None]:
    """Restore levels and handlers after a test."""
    names = (None, "telegram", "telegram.request", "monitor", "telegram_app", "botocore", "WDM", "asyncio", *QUIET)
    loggers = [logging.getLogger(name) for name in names]
    before = [(each, each.level, each.handlers[:]) for each in loggers]
    yield
    for each, level, handlers in before:
        each.setLevel(level)
        each.handlers[:] = handlers


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """In text format an event is one line with time, level, logger and message, on standard error."""
    logs.set_up("INFO", "text")
    logging.getLogger("monitor").info("monitor %d: started", 5)
    (line,) = lines(capsys)
    assert line.endswith(" INFO monitor: monitor 5: started")
    at = datetime.fromisoformat(line.split()[0])
    assert at.utcoffset() is not None
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON format an event is one object on one line, with the time in UTC and unescaped letters."""
    logs.set_up("INFO", "json")
    logging.getLogger("monitor").warning("студент %s\nsecond line", "Аида")
    (line,) = lines(capsys)
    assert "Аида" in line
    event = json.loads(line)
    assert (event["level"], event["logger"], event["message"]) == (
        "WARNING",
        "monitor",
        "студент Аида\nsecond line",
    )
    assert event["time"].endswith("Z")
    assert set(event) == {"time", "level", "logger", "message"}


def test_json_error(capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON format an exception's traceback is in the same line."""
    logs.set_up("INFO", "json")
    try:
        int("no number")
    except ValueError:
        logging.getLogger("monitor").exception("failed")
    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in json.loads(line)["error"]


def test_json_time(capsys: pytest.CaptureFixture[str]) -> None:
    """The time is that of the event, in milliseconds."""
    logs.set_up("INFO", "json")
    record = logging.makeLogRecord({"levelno": logging.INFO, "levelname": "INFO", "msg": "hello"})
    record.created, record.msecs = 1788753600.125, 125.0
    logging.getLogger().handle(record)
    (line,) = lines(capsys)
    assert json.loads(line)["time"] == "2026-09-07T04:00:00.125Z"


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
@pytest.mark.parametrize("name", QUIET)
def test_addresses_and_payloads_stay_out(capsys: pytest.CaptureFixture[str], level: str, name: str) -> None:
    """Libraries that log tokens (in URLs) or passwords (in payloads) log only warnings, whatever LOG_LEVEL is."""
    logs.set_up(level, "text")
    logging.getLogger(f"{name}.inner").info("https://api.telegram.org/bot123:SECRET/sendMessage")
    logging.getLogger(name).debug("SECRET")
    assert lines(capsys) == []
    logging.getLogger(name).warning("a connection was lost")
    assert len(lines(capsys)) == 1


def test_library_debug_lines_stay_out(capsys: pytest.CaptureFixture[str]) -> None:
    """At DEBUG our own lines are logged, but not those of libraries that quote whole updates and requests."""
    logs.set_up("DEBUG", "text")
    logging.getLogger("telegram.ext.Application").debug("Processing update: my password")
    logging.getLogger("botocore.auth").debug("CanonicalRequest: X-Amz-Security-Token")
    logging.getLogger("some_new_library").debug("payload: my password")
    logging.getLogger("telegram.request.BaseRequest").error("Can not load invalid JSON data: my password")
    logging.getLogger("monitor").debug("a look")
    (line,) = lines(capsys)
    assert line.endswith("DEBUG monitor: a look")


@pytest.mark.parametrize("name", ["monitor", "telegram", *QUIET])
def test_level(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """At ERROR no logger's warnings are shown."""
    logs.set_up("ERROR", "text")
    logging.getLogger(name).warning("not shown")
    logging.getLogger(name).error("shown")
    (line,) = lines(capsys)
    assert line.endswith("shown")


def test_set_up_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """A second setup replaces the first, so no event is written twice."""
    logs.set_up("INFO", "text")
    logs.set_up("INFO", "json")
    logging.getLogger("monitor").info("once")
    assert len(lines(capsys)) == 1
