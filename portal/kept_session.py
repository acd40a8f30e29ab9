"""Keeps the portal's session of a profile over a restart of the bot, until the student stops.

The portal's cookies (JSESSIONID, route) are session cookies, which Chrome deletes when it ends. So they are saved
encrypted beside the profile, and restored in the next Chrome.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from core.encryption import Cipher, EncryptionKeyError
from core.json_file import replace_file
from portal.browser import Browser
from portal.errors import BrowserFailed

log = logging.getLogger(__name__)

FILE = "portal-session"


class _Cookie(BaseModel):
    """A cookie in Chrome's DevTools protocol: the fields of Network.Cookie that Network.setCookies takes."""

    name: str
    value: str
    domain: str
    path: str
    secure: bool = False
    httpOnly: bool = False  # noqa: N815  # the protocol's name
    sameSite: str | None = None  # noqa: N815
    session: bool = Field(default=True, exclude=True)


_COOKIES = TypeAdapter(list[_Cookie])


def forget(folder: Path) -> None:
    """Delete the saved session of the profile in this folder, if there is one. Never raises."""
    try:
        (folder / FILE).unlink(missing_ok=True)
    except OSError as error:
        log.warning("a portal session can't be deleted: %s", error.strerror)


@dataclass(eq=False)
class KeptSession:
    """The session cookies of the profile in ``folder``. For the thread that owns the browser."""

    _folder: Path
    _cipher: Cipher

    def restore(self, browser: Browser) -> None:
        """Set the saved cookies in a new Chrome; without them the student is signed in again. Raises BrowserFailed."""
        try:
            cookies = _COOKIES.validate_json(self._cipher.decrypt((self._folder / FILE).read_text(encoding="ascii")))
        except FileNotFoundError:
            return
        except (OSError, ValueError, EncryptionKeyError) as error:
            log.info("a saved portal session can't be read (%s), signing in again", type(error).__name__)
            return
        browser.devtools("Network.setCookies", cookies=_COOKIES.dump_python(cookies, exclude_none=True))

    def save(self, browser: Browser) -> None:
        """Save the cookies. A failure costs a sign-in after the next start, nothing else."""
        try:
            cookies = _COOKIES.dump_json(_session_cookies(browser), exclude_none=True)
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # a Chrome on a Grid makes none
            replace_file(self._folder / FILE, self._cipher.encrypt(cookies.decode()))
        except (BrowserFailed, OSError) as error:
            log.info("the portal session is not saved: %s", type(error).__name__)

    def delete(self, browser: Browser) -> None:
        """Delete the session, on disk and in Chrome; the cookie by which the portal knows the device stays."""
        forget(self._folder)
        try:
            for cookie in _session_cookies(browser):
                browser.devtools("Network.deleteCookies", **cookie.model_dump(include={"name", "domain", "path"}))
        except BrowserFailed as error:
            log.info("Chrome's session cookies are not deleted (%s); they end with it", error)


def _session_cookies(browser: Browser) -> list[_Cookie]:
    cookies = _COOKIES.validate_python(browser.devtools("Network.getAllCookies")["cookies"])
    return [cookie for cookie in cookies if cookie.session]
