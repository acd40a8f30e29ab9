"""Reads the arguments of a Bot API call from a JSON, form or multipart body and the query string."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.web_request import FileField

from sandbox.telegram.errors import bad_request

# Arguments that the journal records as numbers, flags or JSON. All others stay strings: a typed code is no number.
_NUMBERS = {"chat_id", "message_id", "user_id", "offset", "limit", "timeout"}
_FLAGS = {"disable_notification", "protect_content", "show_alert", "drop_pending_updates"}
_STRUCTURES = {
    "reply_markup", "entities", "caption_entities", "link_preview_options", "reply_parameters", "media",
    "allowed_updates", "commands", "scope", "menu_button", "message_ids",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a multipart body."""

    name: str
    content_type: str
    content: bytes


class Arguments:
    """A call's arguments. As in Telegram's server, each is a string at first."""

    def __init__(self, values: dict[str, str], files: dict[str, Upload]) -> None:
        self._values = values
        self.files = files

    @classmethod
    async def read(cls, request: web.Request) -> "Arguments":
        """Parse a request with any kind of body."""
        values: dict[str, str] = dict(request.query)
        files: dict[str, Upload] = {}
        if request.can_read_body:
            if request.content_type == "application/json":
                values |= _from_json(await request.read())
            elif request.content_type == "multipart/form-data":
                for name, value in (await request.post()).items():
                    if isinstance(value, FileField):
                        files[name] = Upload(value.filename, value.content_type, value.file.read())
                    else:
                        values[name] = str(value)
            else:
                body = (await request.read()).decode("utf-8", "replace")
                values |= dict(parse_qsl(body, keep_blank_values=True))
        return cls(values, files)

    def has(self, name: str) -> bool:
        """Whether the argument was given."""
        return name in self._values

    def text(self, name: str) -> str:
        """A string; empty if it was not given."""
        return self._values.get(name, "")

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number; zero if the text does not begin with one."""
        value = self._values.get(name)
        if value is None:
            return default
        digits = re.match(r"\s*(-?\d+)", value)
        return int(digits[1]) if digits else 0

    def flag(self, name: str) -> bool:
        """True for `true`, `yes` and `1`."""
        return self._values.get(name, "").lower() in ("true", "yes", "1")

    def structure(self, name: str, otherwise: str) -> Any:
        """A JSON argument, None if empty; a 400 with the text `otherwise` if it can't be parsed."""
        value = self._values.get(name, "").strip()
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(otherwise) from None

    def recorded(self) -> dict[str, Any]:
        """The arguments as recorded in the journal, files without their bytes."""
        kept: dict[str, Any] = {name: _readable(name, value) for name, value in self._values.items()}
        for name, file in self.files.items():
            kept[name] = {
                "file_name": file.name,
                "content_type": file.content_type,
                "size": len(file.content),
            }
        return kept


def _from_json(body: bytes) -> dict[str, str]:
    try:
        decoded = json.loads(body) if body else {}
    except ValueError:
        raise bad_request("can't parse request: Can't parse JSON object") from None
    if not isinstance(decoded, dict):
        raise bad_request("can't parse request: JSON object expected")
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in decoded.items()
        if value is not None
    }


def _readable(name: str, value: str) -> Any:
    if name in _FLAGS:
        return value.lower() in ("true", "yes", "1")
    if name in _NUMBERS and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    if name in _STRUCTURES:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
