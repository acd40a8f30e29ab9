"""Static files of the simulated portal's page: initial HTML, script, style and flags."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from sandbox.portal.words import SYSTEM_NOTIFICATIONS

PAGE_PATH = "/RegistrationOnline"
APP_ID = "RegistrationOnline-1674962804"
"""Vaadin derives the number from the path, so it is the same on every load."""
VERSION = "7.7.13"
_FOLDER = Path(__file__).parent / "page"
_VAADIN = "./VAADIN/"
_CLIENT = "widgetsets/r5/client.js"
_STYLE = "themes/r5/styles.css"
_FILES = {
    "vaadinBootstrap.js": (["bootstrap.js"], "text/javascript"),
    # Served as one script, like a compiled widget set.
    _CLIENT: (["widgets.js", "combobox.js", "client.js"], "text/javascript"),
    _STYLE: (["style.css"], "text/css"),
    "themes/r5/flags/kz.png": (["flags/kz.png"], "image/png"),
    "themes/r5/flags/ru.png": (["flags/ru.png"], "image/png"),
    "themes/r5/flags/gb.png": (["flags/gb.png"], "image/png"),
}


@dataclass(frozen=True)
class PageFile:
    """A file to serve; `version` changes with its content."""

    content: bytes
    content_type: str
    version: str

    @property
    def charset(self) -> str | None:
        """The encoding of a text file, None for a picture."""
        return None if self.content_type.startswith("image/") else "utf-8"


@cache
def page_files() -> dict[str, PageFile]:
    """All files by their path below VAADIN/."""
    files = {}
    for path, (names, content_type) in _FILES.items():
        content = b"".join((_FOLDER / name).read_bytes() for name in names)
        files[path] = PageFile(content, content_type, hashlib.sha256(content).hexdigest()[:12])
    return files


@cache
def page_html(heartbeat_seconds: float) -> str:
    """The initial HTML: an empty element and the call that starts the application in it."""
    client, style = (f"{_VAADIN}{path}?v={page_files()[path].version}" for path in (_CLIENT, _STYLE))
    config = {
        "theme": "r5",
        "versionInfo": {"vaadinVersion": VERSION},
        "widgetset": client,
        "styleSheet": style,
        "comErrMsg": SYSTEM_NOTIFICATIONS["communication"],
        "authErrMsg": SYSTEM_NOTIFICATIONS["authentication"],
        "sessExpMsg": SYSTEM_NOTIFICATIONS["session_expired"],
        "vaadinDir": _VAADIN,
        "standalone": True,
        "heartbeatInterval": heartbeat_seconds,
        "serviceUrl": ".",
    }
    template = Template((_FOLDER / "bootstrap.html").read_text(encoding="utf-8"))
    return template.substitute(
        app_id=APP_ID,
        bootstrap=f"{_VAADIN}vaadinBootstrap.js?v={VERSION}",
        config=json.dumps(config, ensure_ascii=False),
    )
