"""The portal's session of one profile, kept over a restart of ours and let go when the student stops.

The portal's cookies (JSESSIONID, route) are session cookies: Chrome forgets them when it ends. So they are written
down, encrypted, beside the profile, and put back into the next Chrome.
"""

import json
import logging
from pathlib import Path
from typing import Any, Protocol

from selenium.common.exceptions import WebDriverException
from urllib3.exceptions import HTTPError

from core.encryption import EncryptionKeyError
from core.json_file import replace_file
from portal.browser import Browser
from portal.errors import BrowserFailed

log = logging.getLogger(__name__)

FILE = "portal-session"
# Of a cookie as Chrome's DevTools protocol gives it (Network.Cookie), what Network.setCookies takes.
_FIELDS = ("name", "value", "domain", "path", "secure", "httpOnly", "sameSite")


class Encrypts(Protocol):
    """What hides the cookies: they are worth a password while they last."""

    def encrypt(self, text: str) -> str:
        """Return a text's ciphertext."""

    def decrypt(self, token: str) -> str:
        """Return the text; raises EncryptionKeyError."""


def forget(folder: Path) -> None:
    """Forget the session of the profile in this folder; harmless where none is kept. Never raises."""
    try:
        (folder / FILE).unlink(missing_ok=True)
    except OSError as error:
        log.warning("a portal's session can't be deleted: %s", error.strerror)


class KeptSession:
    """The session cookies of one profile. For the thread that owns the browser."""

    def __init__(self, folder: Path, cipher: Encrypts) -> None:
        """Take the profile's folder and what encrypts."""
        self._file = folder / FILE
        self._cipher = cipher

    def put_back(self, browser: Browser) -> None:
        """Give a new Chrome the cookies of before; without them the student is just signed in anew.

        Raises:
            BrowserFailed: Chrome is gone.
        """
        try:
            cookies = json.loads(self._cipher.decrypt(self._file.read_text(encoding="ascii")))
        except FileNotFoundError:
            return
        except (OSError, ValueError, EncryptionKeyError) as error:
            log.info("a kept session can't be read (%s), signing in anew", type(error).__name__)
            return
        _command(browser, "Network.setCookies", {"cookies": cookies})

    def keep(self, browser: Browser) -> None:
        """Write the cookies down. What fails costs a sign-in after the next start, no more."""
        try:
            found = _command(browser, "Network.getAllCookies", {})["cookies"]
            cookies = [
                {name: cookie[name] for name in _FIELDS if name in cookie} for cookie in found if cookie["session"]
            ]
            replace_file(self._file, self._cipher.encrypt(json.dumps(cookies)))
        except (BrowserFailed, OSError) as error:
            log.info("the portal's session is not kept: %s", type(error).__name__)

    def let_go(self, browser: Browser) -> None:
        """Forget the session, here and in Chrome; what the portal knows the device by stays."""
        forget(self._file.parent)
        try:
            for cookie in _command(browser, "Network.getAllCookies", {})["cookies"]:
                if cookie["session"]:
                    named = {name: cookie[name] for name in ("name", "domain", "path")}
                    _command(browser, "Network.deleteCookies", named)
        except BrowserFailed as error:
            log.info("chrome's cookies are not deleted (%s); they end with it", error)


def _command(browser: Browser, name: str, parameters: dict[str, Any]) -> Any:
    try:
        return browser.driver.execute("executeCdpCommand", {"cmd": name, "params": parameters})["value"]
    except (WebDriverException, HTTPError) as error:
        raise BrowserFailed(f"{name} failed") from error
