"""HTTP calls to the LMS with typed errors. Nothing of a body, a password or a token gets into an error's text."""

import asyncio
import logging
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from classroom.lms import LmsRefused, LmsTimedOut, LmsUnavailable, NoAnswer, Unclear, answers

log = logging.getLogger(__name__)

TRY_AGAIN = frozenset({408, 409, 425, 429})  # temporary statuses, besides 5xx
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class LmsHttp:
    """One connection pool for all teachers. ``timeout`` is in seconds, for a whole call."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        # no cookies: one teacher's must not be sent with another's call
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.AsyncClient(timeout=None, cookies=no_cookies)  # noqa: S113  # send limits the whole call
        self.close = self._http.aclose

    async def send(
        self, method: str, url: str, token: str = "", timeout: float | None = None, **sent: Any
    ) -> httpx.Response:
        """Make a call, with a token where there is one. Raises LmsUnavailable, and NoAnswer if it may be executed."""
        headers = _JSON | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            async with asyncio.timeout(timeout or self._timeout):
                return await self._http.request(method, url, headers=headers, **sent)
        except (TimeoutError, httpx.TimeoutException):
            raise LmsTimedOut("the LMS did not answer in time") from None
        except httpx.HTTPError as error:  # its request holds the body: only the error's name may be shown
            if "certificate verify failed" in str(error):
                why = str(error).partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
                log.warning("the LMS's certificate is not accepted: %s", why, extra={"trouble": "certificate"})
                raise LmsUnavailable("the LMS's certificate is not accepted") from None
            kind = LmsUnavailable if isinstance(error, httpx.ConnectError) else NoAnswer
            raise kind(f"the LMS can't be reached ({type(error).__name__})") from None


def check(answer: httpx.Response) -> None:
    """Raise the error that an answer's status means; the caller has handled 401, 404 and duplicates."""
    status, is_json = answer.status_code, "json" in answer.headers.get("content-type", "")
    if answer.is_success:
        return
    if status >= 500 or status < 400 or status in TRY_AGAIN or (status == 404 and not is_json):
        raise LmsUnavailable(f"the LMS answers with {status}")
    if answer.content and is_json:
        answers.read_json(answer.content)  # a truncated body may have been about a duplicate: then it is unknown
    words = f"{status} {answers.error_code(answer.content)}".strip()
    raise LmsRefused(f"the LMS refuses this ({words})", words)


def check_written(answer: httpx.Response) -> None:
    """Raise unless the LMS has confirmed a write: an error, a proxy's page or nothing with status 200 is none."""
    if answer.status_code in (502, 504):  # a proxy's: the LMS may have got the call
        raise NoAnswer(f"the LMS answers with {answer.status_code}")
    check(answer)
    if not answers.confirms(answer.content):
        raise Unclear(f"the LMS answers a write with {answer.status_code} and does not confirm it")


def content_of(answer: httpx.Response) -> Any:
    """Return the JSON of a read. Raises LmsUnavailable, also for an error with status 200: it is no empty list."""
    check(answer)
    try:
        answers.confirms(answer.content)
    except LmsRefused as error:
        raise LmsUnavailable(str(error)) from None
    return answers.read_json(answer.content)
