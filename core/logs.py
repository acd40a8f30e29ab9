"""Logging: one line an event, as text or JSON, to standard error."""

import json
import logging
import time

# Libraries whose own lines would carry a token (httpx: each address) or a typed password (selenium: each payload).
_QUIET = ("httpx", "httpcore", "selenium", "urllib3", "WDM", "hpack", "asyncio")


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(level: str, form: str) -> None:
    """Send every logger's lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _Json() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # python-telegram-bot logs whole answers at DEBUG, and with them what people typed
    logging.getLogger("telegram").setLevel(max(logging.INFO, logging.getLevelName(level)))
    # pymongo logs whole commands at DEBUG, and with them the documents
    logging.getLogger("pymongo").setLevel(max(logging.INFO, logging.getLevelName(level)))
    # botocore logs signed requests with their bodies at DEBUG: pictures, and tokens of a role
    logging.getLogger("botocore").setLevel(max(logging.INFO, logging.getLevelName(level)))
