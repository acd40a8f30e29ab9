"""The LMS over its REST API, both generations of its server.

An access token is used until 60 s before its end. A refused one is refreshed; where that is refused, too, the stored
password signs in anew; after that only the teacher can. Nothing of a body, a password or a token gets into a log or
an exception.
"""

import asyncio
import logging
import ssl
from dataclasses import replace
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import httpx

from classroom.domain.sessions import Course, Enrolled, Teacher
from classroom.lms import (
    Duplicate,
    Line,
    LmsRefused,
    LmsTimedOut,
    LmsUnavailable,
    NotThere,
    Record,
    SignedIn,
    SignedInElsewhere,
    SignInNeeded,
    WrongPassword,
    answers,
)
from classroom.store import StoreUnavailable, Tokens
from core.clock import Clock

log = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds, for a whole call
LOGOUT_TIMEOUT = 5.0
KEEP_SECONDS = 300.0  # how long courses and rosters are kept

_AGAIN = frozenset({408, 409, 425, 429})  # what passes by itself, besides 5xx
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class TokenStore(Protocol):
    """What is needed of a store: each method as in ``Store``. They may raise StoreUnavailable."""

    async def tokens(self, telegram_id: int) -> Tokens | None:
        """Return a teacher's tokens."""

    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        """Keep a teacher's tokens."""


class RestLms:
    """An ``Lms``. Besides that protocol's errors each method may let the store's StoreUnavailable through."""

    needs_password = True

    def __init__(
        self,
        base_url: str,
        login_url: str,
        store: TokenStore,
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
        logout_timeout: float = LOGOUT_TIMEOUT,
    ) -> None:
        """Take BASE_URL, JWT_LOGIN_ENDPOINT (ends in ``/login``), where tokens are kept, and time-outs in seconds."""
        self._base = base_url.rstrip("/")
        self._login_url = login_url
        self._logout_url = _beside(login_url, "logout")
        self._refresh_urls = {False: _at_host(login_url, "/auth/refresh"), True: _beside(login_url, "refresh")}
        self._store = store
        self._clock = clock
        self._timeout = timeout
        self._logout_timeout = logout_timeout
        # one connection pool for all teachers: a cookie of one must not travel with the next
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.AsyncClient(verify=_tls(), timeout=None, cookies=no_cookies)  # noqa: S113  # _send limits the whole call
        self._locks: dict[int, asyncio.Lock] = {}
        self._signed_out: set[int] = set()  # whose sign-in has been refused: not to be tried over and over
        self._older: bool | None = None  # the server's generation, once an answer has shown it
        self._kept: dict[tuple[int, str, Course | None], tuple[float, Any]] = {}

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    # signing in and out

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> SignedIn:
        """Sign a teacher in and keep the tokens.

        Raises WrongPassword, SignedInElsewhere, LmsRefused, LmsUnavailable, StoreUnavailable.
        """
        email = email.strip().lower()
        async with self._lock(telegram_id):
            before = await self._store.tokens(telegram_id)
            tokens, others_ended = await self._log_in(email, password, before.access if before else "")
            said = answers.claims(tokens.access)
            if not said.id:
                raise LmsUnavailable("the LMS's token does not say whose it is")
            await self._store.save_tokens(telegram_id, tokens)
        self._forget(telegram_id)
        self._signed_out.discard(telegram_id)
        return SignedIn(
            Teacher(telegram_id, phone.removeprefix("+"), email, said.name or email, said.id, said.campus), others_ended
        )

    async def sign_out(self, teacher: Teacher) -> None:
        """End the teacher's sign-in in the LMS, as well as that can be done; never raises."""
        self._forget(teacher.telegram_id)
        try:
            tokens = await self._store.tokens(teacher.telegram_id)
            if tokens is not None and tokens.access:
                await self._log_out(teacher.email, tokens.password, tokens.access)
        except (LmsUnavailable, StoreUnavailable) as error:
            log.warning("teacher %s stays signed in to the LMS: %s", teacher.telegram_id, error)

    async def _log_in(self, email: str, password: str, access: str) -> tuple[Tokens, bool]:
        """Return new tokens, and whether other sessions had to end. ``access`` is an earlier token, for the logout."""
        body = {"email": email, "password": password}
        answer = await self._send("POST", self._login_url, json=body)
        others_ended = answer.status_code == 409
        if others_ended:
            await self._log_out(email, password, access)
            answer = await self._send("POST", self._login_url, json=body)
            if answer.status_code == 409:
                raise SignedInElsewhere("the LMS has another session of this teacher, and does not end it")
        if answer.status_code == 401:
            raise WrongPassword("the LMS does not accept e-mail and password")
        _check(answer)
        new_access, refresh, self._older = answers.tokens(answers.read_json(answer.content))
        return Tokens(new_access, refresh, password), others_ended

    async def _log_out(self, email: str, password: str, access: str) -> None:
        """End all sessions of a teacher. The newer server goes by the body, the older one by the header."""
        headers = _bearer(access) if access else {}
        body = {"email": email, "password": password}
        answer = await self._send("POST", self._logout_url, self._logout_timeout, json=body, headers=headers)
        if not answer.is_success:
            log.info("the LMS answered a logout with %d", answer.status_code)

    # tokens

    async def _tokens(self, teacher: Teacher, refused: str = "", *, sign_in: bool = False) -> Tokens:
        """Return tokens to use: those that are kept, unless they end soon or are the ones just refused.

        One at a time for each teacher: who waited finds what the first one got. ``sign_in`` leaves out the refresh.
        """
        async with self._lock(teacher.telegram_id):
            tokens = await self._store.tokens(teacher.telegram_id)
            if tokens is None or teacher.telegram_id in self._signed_out:
                raise SignInNeeded("there is no sign-in to the LMS")
            now = self._clock.now().timestamp()
            if tokens.access and tokens.access != refused and answers.claims(tokens.access).usable(now):
                return tokens
            renewed = None
            if tokens.refresh and not sign_in and answers.claims(tokens.refresh).usable(now):
                renewed = await self._refreshed(tokens)
            return await self._keep(teacher, renewed or await self._signed_in_anew(teacher, tokens))

    async def _refreshed(self, tokens: Tokens) -> Tokens | None:
        """Return refreshed tokens; None: refused. Both generations' ways are tried, the one that is known first."""
        for older in (bool(self._older), not self._older):
            ways: dict[bool, dict[str, Any]] = {
                False: {"headers": _bearer(tokens.refresh)},
                True: {"json": {"refresh_token": tokens.refresh}},
            }
            answer = await self._send("POST", self._refresh_urls[older], **ways[older])
            if answer.is_success:
                access, refresh, _ = answers.tokens(answers.read_json(answer.content))
                self._older = older
                return replace(tokens, access=access, refresh=refresh or tokens.refresh)
            if answer.status_code >= 500 or answer.status_code in _AGAIN:
                _check(answer)
            if answer.status_code == 401 and self._older is not None:
                break
        return None

    async def _signed_in_anew(self, teacher: Teacher, tokens: Tokens) -> Tokens:
        if tokens.password:
            try:
                renewed, others_ended = await self._log_in(teacher.email, tokens.password, tokens.access)
            except WrongPassword:
                log.info("teacher %s: the stored password is not accepted any more", teacher.telegram_id)
            else:
                log.info("teacher %s: signed in to the LMS anew, others ended: %s", teacher.telegram_id, others_ended)
                return renewed
        # a wrong password tried over and over locks people out; the access token may still be good for a logout
        await self._keep(teacher, Tokens(tokens.access, ""))
        self._signed_out.add(teacher.telegram_id)
        raise SignInNeeded("the LMS wants the teacher to sign in again")

    async def _keep(self, teacher: Teacher, tokens: Tokens) -> Tokens:
        try:
            await self._store.save_tokens(teacher.telegram_id, tokens)
        except StoreUnavailable as error:  # they are good for this call; the next one renews once more
            log.warning("teacher %s: new tokens are not kept: %s", teacher.telegram_id, error)
        return tokens

    def _lock(self, telegram_id: int) -> asyncio.Lock:
        return self._locks.setdefault(telegram_id, asyncio.Lock())

    # reading

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        """Return what the teacher has to take attendance of, at most 5 minutes old. Also raises LmsRefused."""
        if (kept := self._recall(teacher, "courses", None, reload)) is None:
            parameters = {"mentorId": teacher.lms_id, "role": "Mentor"}
            kept = answers.courses(await self._read(teacher, "GET", "/attendance", params=parameters))
            self._remember(teacher, "courses", None, kept)
        return list(kept)

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        """Return a batch's students, at most 5 minutes old. Also raises LmsRefused."""
        if (kept := self._recall(teacher, "roster", course, reload)) is None:
            body = {"batches": course.batch, "subject": course.subject, "location": teacher.campus}
            kept = answers.roster(await self._read(teacher, "POST", "/attend", json=body), course.batch)
            self._remember(teacher, "roster", course, kept)
        return list(kept)

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[Line, ...] | None:
        """Return what the LMS has, to look at: present or absent; None: no record. Nothing is ever written from it."""
        parameters = {
            "location": teacher.campus,
            "subject": course.subject,
            "batch": course.batch,
            "userType": "Mentor",
        }
        return answers.record(await self._read(teacher, "GET", "/getattends", params=parameters), course, date)

    async def _read(self, teacher: Teacher, method: str, path: str, **sent: Any) -> Any:
        answer = await self._call(teacher, method, path, **sent)
        _check(answer)
        return answers.read_json(answer.content)

    def _recall(self, teacher: Teacher, what: str, course: Course | None, reload: bool) -> Any:
        until, kept = self._kept.get((teacher.telegram_id, what, course), (0.0, None))
        return kept if not reload and self._clock.monotonic() < until else None

    def _remember(self, teacher: Teacher, what: str, course: Course | None, found: Any) -> None:
        now = self._clock.monotonic()
        self._kept = {key: each for key, each in self._kept.items() if now < each[0]}
        self._kept[teacher.telegram_id, what, course] = (now + KEEP_SECONDS, found)

    def _forget(self, telegram_id: int) -> None:
        self._kept = {key: each for key, each in self._kept.items() if key[0] != telegram_id}

    # writing

    async def create(self, teacher: Teacher, record: Record) -> None:
        """Create a record. Raises Duplicate, LmsRefused, LmsUnavailable, SignInNeeded."""
        answer = await self._write(teacher, "POST", record)
        if answer.status_code == 409 or (
            (answer.is_success or answer.status_code == 403) and answers.is_duplicate(answer.content)
        ):
            raise Duplicate("the LMS has this record already")
        _check_written(answer)

    async def update(self, teacher: Teacher, record: Record) -> None:
        """Replace a record. Raises NotThere, LmsRefused, LmsUnavailable, SignInNeeded."""
        answer = await self._write(teacher, "PUT", record)
        if answer.status_code == 404:
            raise NotThere("the LMS has no such record")
        _check_written(answer)

    async def _write(self, teacher: Teacher, method: str, record: Record) -> httpx.Response:
        remarks = any(line.remark for line in record.lines)
        if remarks and self._older is None:  # only the older server has a field for them; a refresh shows which it is
            tokens = await self._tokens(teacher)
            await self._tokens(teacher, refused=tokens.access)
        body = {
            "subject": record.subject,
            "batch": record.batch,
            "datetime": record.date,
            "location": record.campus,
            "userType": "Mentor",
            "students": [_student(line, with_remark=remarks and bool(self._older)) for line in record.lines],
        }
        return await self._call(teacher, method, "/attendance", json=body)

    # calls

    async def _call(self, teacher: Teacher, method: str, path: str, **sent: Any) -> httpx.Response:
        """Make a data call; a refused token is renewed by refresh, then by password."""
        tokens = await self._tokens(teacher)
        for sign_in in (False, True):
            answer = await self._send(method, self._base + path, headers=_bearer(tokens.access), **sent)
            if answer.status_code != 401:
                return answer
            log.info("teacher %s: token refused %s", teacher.telegram_id, answers.error_code(answer.content))
            tokens = await self._tokens(teacher, refused=tokens.access, sign_in=sign_in)
        answer = await self._send(method, self._base + path, headers=_bearer(tokens.access), **sent)
        if answer.status_code == 401:
            raise SignInNeeded("the LMS refuses even new tokens")
        return answer

    async def _send(
        self, method: str, url: str, limit: float | None = None, headers: dict[str, str] | None = None, **sent: Any
    ) -> httpx.Response:
        try:
            async with asyncio.timeout(limit or self._timeout):
                return await self._http.request(method, url, headers={**_JSON, **(headers or {})}, **sent)
        except (TimeoutError, httpx.TimeoutException):
            raise LmsTimedOut("the LMS did not answer in time") from None
        except httpx.HTTPError as error:  # its request holds the body: only its name is let through
            raise LmsUnavailable(f"the LMS can't be reached ({type(error).__name__})") from None


@cache
def _tls() -> ssl.SSLContext:
    """Return what verifies servers; reading the certificates takes a while, so once a process."""
    return httpx.create_ssl_context()


def _check(answer: httpx.Response) -> None:
    """Raise what an answer's status means; 401, 404 and duplicates have been dealt with."""
    status = answer.status_code
    if answer.is_success:
        return
    if status >= 500 or status < 400 or status in _AGAIN or (status == 404 and not _is_json(answer)):
        raise LmsUnavailable(f"the LMS answers with {status}")
    if answer.content and _is_json(answer):
        answers.read_json(answer.content)  # cut off, it may have been a duplicate: that is not known
    code = answers.error_code(answer.content)
    words = f"{status} {code}".strip()
    raise LmsRefused(f"the LMS refuses this ({words})", words)


def _check_written(answer: httpx.Response) -> None:
    """Raise unless the LMS has confirmed a write: a proxy's page with status 200 is no confirmation."""
    _check(answer)
    if answer.content:
        answers.read_json(answer.content)


def _is_json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "")


def _student(line: Line, *, with_remark: bool) -> dict[str, Any]:
    student: dict[str, Any] = {"studentId": line.student_id, "status": int(line.status.counts)}
    return {**student, "name": line.name, "remarks": line.remark} if with_remark else student


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _beside(url: str, name: str) -> str:
    """Return the address whose last part has another name."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/").rpartition("/")[0] + "/" + name, "", ""))


def _at_host(url: str, path: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
