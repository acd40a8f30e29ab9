"""Logging setup: one line per event, as text or JSON, on standard error."""

import json
import logging
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

# At DEBUG libraries log whole updates with what people typed, documents, and requests' bodies: only ours log there.
_OURS = ("attendance", "bot", "classroom", "core", "lessons", "marker", "monitor", "portal", "self_check", "storage")
# Libraries that log tokens (httpx: each URL) or typed passwords (selenium: each payload) at INFO.
_QUIET = ("httpx", "httpcore", "selenium", "urllib3", "WDM", "hpack", "asyncio")
# Logs an answer that it can't parse as an error.
_SILENT = "telegram.request"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _TextFormatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="milliseconds")


def set_up(level: str, form: str) -> None:
    """Send all log lines to standard error; ``form`` is "text" or "json"."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonFormatter() if form == "json" else _TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    number = logging.getLevelName(level)
    logging.basicConfig(level=max(logging.INFO, number), handlers=[handler], force=True)
    levels = dict.fromkeys((*_OURS, "telegram_app"), number) | dict.fromkeys(_QUIET, max(logging.WARNING, number))
    for name, own in (levels | {_SILENT: logging.CRITICAL}).items():
        logging.getLogger(name).setLevel(own)


def brief(error: BaseException) -> str:
    """Return an error's type and the line of ours where it arose, without its text: that may hold a password."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    return type(error).__name__ + "".join(f" ({Path(at.filename).name}:{at.lineno})" for at in (ours or frames)[-1:])
