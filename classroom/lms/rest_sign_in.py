"""HTTP calls to the LMS, and teachers' sign-ins and tokens for them.

Nothing of a body, a password or a token gets into an error's text.

An access token is used until 60 s before its expiry. A refused one is refreshed; where that is refused, too, the stored
password signs in again; after that only the teacher can.
"""

import asyncio
import logging
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import httpx

from classroom import lms
from classroom.domain.sessions import Teacher
from classroom.lms import answers
from classroom.lms.tables import phone_digits
from classroom.metrics import ClassroomMetrics
from classroom.store import Store, StoreUnavailable, Tokens
from core.clock import Clock

log = logging.getLogger(__name__)

LOGOUT_TIMEOUT = 5.0  # seconds
LARGEST_ANSWER = 16 * 1024 * 1024  # bytes, unpacked
_JSON = {"Accept": "application/json", "Content-Type": "application/json", "Accept-Encoding": "gzip"}


class LmsHttp:
    """One connection pool for all teachers. ``timeout`` is in seconds, for a whole call."""

    def __init__(self, timeout: float, metrics: ClassroomMetrics | None = None) -> None:
        self._timeout = timeout
        self._calls = (metrics or ClassroomMetrics()).lms_calls
        # no cookies: one teacher's must not be sent with another's call
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.AsyncClient(timeout=None, cookies=no_cookies)  # noqa: S113  # send limits the whole call
        self.close = self._http.aclose

    async def send(
        self, method: str, url: str, token: str = "", timeout: float | None = None, **sent: Any
    ) -> httpx.Response:
        """Make a call, with a token where there is one. Raises LmsUnavailable, and NoAnswer if it may be executed.

        An answer is read up to LARGEST_ANSWER, and unpacked no further than that.
        """
        with self._calls.counted(f"{method} {url.rpartition('/')[2]}") as call:
            answer = await self._send(method, url, token, timeout or self._timeout, sent)
            call.status = answer.status_code
        return answer

    async def _send(self, method: str, url: str, token: str, timeout: float, sent: dict[str, Any]) -> httpx.Response:
        headers = _JSON | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            async with asyncio.timeout(timeout):
                async with self._http.stream(method, url, headers=headers, **sent) as answer:
                    content = await _read(answer)
                    json = {"content-type": answer.headers.get("content-type", "")}
                    return httpx.Response(answer.status_code, headers=json, content=content)
        except (TimeoutError, httpx.TimeoutException):
            raise lms.LmsTimedOut("the LMS did not answer in time") from None
        except httpx.HTTPError as error:  # its request holds the body: only the error's name may be shown
            if "certificate verify failed" in str(error):
                why = str(error).partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
                log.warning("the LMS's certificate is not accepted: %s", why, extra={"trouble": "certificate"})
                raise lms.LmsUnavailable("the LMS's certificate is not accepted") from None
            kind = lms.LmsUnavailable if isinstance(error, httpx.ConnectError) else lms.NoAnswer
            raise kind(f"the LMS can't be reached ({type(error).__name__})") from None


async def _read(answer: httpx.Response) -> bytes:
    """Return an answer's body. Raises NoAnswer: it is too large, or can't be unpacked."""
    encoding, content = answer.headers.get("content-encoding", "identity").strip().casefold(), bytearray()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise lms.NoAnswer("the LMS packs its answer in an unknown way")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding != "identity" else None
    try:
        async for part in answer.aiter_raw():
            rest = LARGEST_ANSWER + 1 - len(content)
            content += unpacker.decompress(part, rest) if unpacker is not None else part
            if len(content) > LARGEST_ANSWER:
                raise lms.NoAnswer(f"the LMS's answer has over {LARGEST_ANSWER} bytes")
    except zlib.error:
        raise lms.NoAnswer("the LMS's answer can't be unpacked") from None
    return bytes(content)


class SignIns:
    """Signs teachers in and out, and returns tokens that can be used. ``login_url`` ends in ``/login``."""

    def __init__(self, http: LmsHttp, login_url: str, store: Store, clock: Clock) -> None:
        self._http = http
        self._login_url = login_url
        self._logout_url = urljoin(login_url, "logout")
        self._refresh_urls = {False: urljoin(login_url, "/auth/refresh"), True: urljoin(login_url, "refresh")}
        self._store = store
        self._clock = clock
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # by teacher
        self._signed_out: set[int] = set()  # teachers whose sign-in was refused: not to be tried again and again
        self.older: bool | None = None  # whether the server is of the older generation; None until a sign-in

    async def sign_in(
        self, telegram_id: int, phone: str, email: str, password: str, admit: Callable[[str], Awaitable[str]]
    ) -> lms.SignedIn:
        """Sign a teacher in and store the tokens. Raises what ``Lms.sign_in`` does, and StoreUnavailable.

        ``admit`` gets the new token and returns the teacher's name, or raises NotATeacher: then nothing is stored.
        """
        email = email.strip()
        async with self._locks[telegram_id]:
            before = await self._store.tokens(telegram_id)
            access = before.access if before else ""
            try:
                tokens, others_ended = await self._log_in(email, password, access)
            except (lms.WrongPassword, lms.LmsRefused):
                if email == email.lower():  # else it may be known in lower case only
                    raise
                email = email.lower()
                tokens, others_ended = await self._log_in(email, password, access)
            claims = answers.claims(tokens.access)
            if not claims.id:
                raise lms.LmsUnavailable("the LMS's token has no user ID")
            try:
                if claims.phone and phone_digits(claims.phone) != phone_digits(phone):
                    raise lms.WrongPassword("the account has another phone number")  # no word on the password
                name = await admit(tokens.access)
            except lms.LmsError:
                with suppress(lms.LmsUnavailable):
                    await self._log_out(email, password, tokens.access)
                raise
            await self._store.save_tokens(telegram_id, tokens)
        self._signed_out.discard(telegram_id)
        teacher = Teacher(telegram_id, phone.removeprefix("+"), email, name or email, claims.id, claims.campus)
        return lms.SignedIn(teacher, others_ended)

    async def sign_out(self, teacher: Teacher) -> None:
        try:
            tokens = await self._store.tokens(teacher.telegram_id)
            if tokens is not None and tokens.access:
                await self._log_out(teacher.email, tokens.password, tokens.access)
        except (lms.LmsUnavailable, StoreUnavailable) as error:
            log.warning("teacher %s stays signed in to the LMS: %s", teacher.telegram_id, error)

    async def tokens(self, teacher: Teacher, refused: str = "", *, sign_in: bool = False) -> Tokens:
        """Return tokens to use: the stored ones, unless they expire soon or are the ones just refused.

        One call at a time for each teacher, so that calls that waited find the tokens that the first one got.
        ``sign_in`` skips the refresh. Raises SignInNeeded, LmsUnavailable, StoreUnavailable.
        """
        async with self._locks[teacher.telegram_id]:
            tokens = await self._store.tokens(teacher.telegram_id)
            if tokens is None or teacher.telegram_id in self._signed_out:
                raise lms.SignInNeeded("there is no sign-in to the LMS")
            now = self._clock.now().timestamp()
            if tokens.access and tokens.access != refused and answers.claims(tokens.access).usable(now):
                return tokens
            can_refresh = tokens.refresh and not sign_in and answers.claims(tokens.refresh).usable(now)
            renewed = await self._refreshed(tokens) if can_refresh else None
            return await self._save(teacher, renewed or await self._signed_in_again(teacher, tokens))

    async def _log_in(self, email: str, password: str, access: str) -> tuple[Tokens, bool]:
        """Return new tokens, and whether other sessions were ended. ``access`` is an earlier token, for the logout."""
        body = {"email": email, "password": password}
        answer = await self._http.send("POST", self._login_url, json=body)
        others_ended = answer.status_code == 409
        if others_ended:
            await self._log_out(email, password, access)
            answer = await self._http.send("POST", self._login_url, json=body)
            if answer.status_code == 409:
                raise lms.SignedInElsewhere("the LMS has another session of this teacher, and does not end it")
        if answer.status_code == 401:
            raise lms.WrongPassword("the LMS does not accept e-mail and password")
        new_access, refresh, self.older = await asyncio.to_thread(_tokens, answer)
        return Tokens(new_access, refresh, password), others_ended

    async def _log_out(self, email: str, password: str, access: str) -> None:
        """End all sessions of a teacher. The newer server identifies them by the body, the older one by the token."""
        body = {"email": email, "password": password}
        answer = await self._http.send("POST", self._logout_url, access, LOGOUT_TIMEOUT, json=body)
        if not answer.is_success:
            log.info("the LMS answered a logout with %d", answer.status_code)

    async def _refreshed(self, tokens: Tokens) -> Tokens | None:
        """Return refreshed tokens; None: refused. Tries both generations' protocols, the one that is known first."""
        for older in (bool(self.older), not self.older):
            sent: dict[str, Any] = {"json": {"refresh_token": tokens.refresh}} if older else {"token": tokens.refresh}
            answer = await self._http.send("POST", self._refresh_urls[older], **sent)
            if answer.is_success:
                access, refresh, _ = answers.tokens(await asyncio.to_thread(answers.read_json, answer.content))
                self.older = older
                return replace(tokens, access=access, refresh=refresh or tokens.refresh)
            if answer.status_code >= 500 or answer.status_code in answers.TRY_AGAIN:
                answers.check(answer)
            if answer.status_code == 401 and self.older is not None:
                break
        return None

    async def _signed_in_again(self, teacher: Teacher, tokens: Tokens) -> Tokens:
        if tokens.password:
            with suppress(lms.WrongPassword):
                renewed, others_ended = await self._log_in(teacher.email, tokens.password, tokens.access)
                log.info("teacher %s: signed in to the LMS again, others ended: %s", teacher.telegram_id, others_ended)
                return renewed
        log.info("teacher %s: no password that the LMS accepts", teacher.telegram_id)
        # trying a wrong password again and again locks accounts; the access token may still be good for a logout
        await self._save(teacher, Tokens(tokens.access, ""))
        self._signed_out.add(teacher.telegram_id)
        raise lms.SignInNeeded("the LMS wants the teacher to sign in again")

    async def _save(self, teacher: Teacher, tokens: Tokens) -> Tokens:
        try:
            await self._store.save_tokens(teacher.telegram_id, tokens)
        except StoreUnavailable as error:  # they are good for this call; the next one renews them again
            log.warning("teacher %s: new tokens could not be stored: %s", teacher.telegram_id, error)
        return tokens


def _tokens(answer: httpx.Response) -> tuple[str, str, bool]:
    answers.check(answer)
    answers.confirms(answer.content)  # an error with status 200 is a refusal
    return answers.tokens(answers.read_json(answer.content))
