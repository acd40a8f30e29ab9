"""The LMS over its REST API, both generations of its server.

Nothing of a body, a password or a token gets into a log or an exception.
"""

import logging
from typing import Any

import httpx

from classroom.domain.sessions import Course, Enrolled, Teacher
from classroom.lms import Duplicate, Line, NotThere, Record, SignedIn, SignInNeeded, answers
from classroom.lms.rest_http import LmsHttp, check, check_written
from classroom.lms.rest_sign_in import SignIns, TokenStore
from core.clock import Clock

log = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds, for a whole call
LOGOUT_TIMEOUT = 5.0
CACHE_SECONDS = 300.0  # for courses and rosters


class RestLms:
    """An ``Lms``. Besides that protocol's errors each method may raise the store's StoreUnavailable.

    ``base_url`` is BASE_URL, ``login_url`` JWT_LOGIN_ENDPOINT (ends in ``/login``); time-outs are in seconds.
    """

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
        self._base = base_url.rstrip("/")
        self._http = LmsHttp(timeout)
        self._sign_ins = SignIns(self._http, login_url, store, clock, logout_timeout)
        self._clock = clock
        self._cache: dict[tuple[int, str, Course | None], tuple[float, Any]] = {}

    async def close(self) -> None:
        await self._http.close()

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> SignedIn:
        signed_in = await self._sign_ins.sign_in(telegram_id, phone, email, password)
        self._forget(telegram_id)
        return signed_in

    async def sign_out(self, teacher: Teacher) -> None:
        self._forget(teacher.telegram_id)
        await self._sign_ins.sign_out(teacher)

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        if (cached := self._cached(teacher, "courses", None, reload)) is None:
            parameters = {"mentorId": teacher.lms_id, "role": "Mentor"}
            cached = answers.courses(await self._read(teacher, "GET", "/attendance", params=parameters))
            self._remember(teacher, "courses", None, cached)
        return list(cached)

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        if (cached := self._cached(teacher, "roster", course, reload)) is None:
            body = {"batches": course.batch, "subject": course.subject, "location": teacher.campus}
            cached = answers.roster(await self._read(teacher, "POST", "/attend", json=body), course.batch)
            self._remember(teacher, "roster", course, cached)
        return list(cached)

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[Line, ...] | None:
        """Return the LMS's record, None: there is none. Only to be shown: nothing is ever written from it."""
        parameters = {
            "location": teacher.campus,
            "subject": course.subject,
            "batch": course.batch,
            "userType": "Mentor",
        }
        return answers.record(await self._read(teacher, "GET", "/getattends", params=parameters), course, date)

    async def _read(self, teacher: Teacher, method: str, path: str, **sent: Any) -> Any:
        answer = await self._call(teacher, method, path, **sent)
        check(answer)
        return answers.read_json(answer.content)

    def _cached(self, teacher: Teacher, what: str, course: Course | None, reload: bool) -> Any:
        until, found = self._cache.get((teacher.telegram_id, what, course), (0.0, None))
        return found if not reload and self._clock.monotonic() < until else None

    def _remember(self, teacher: Teacher, what: str, course: Course | None, found: Any) -> None:
        now = self._clock.monotonic()
        self._cache = {key: each for key, each in self._cache.items() if now < each[0]}
        self._cache[teacher.telegram_id, what, course] = (now + CACHE_SECONDS, found)

    def _forget(self, telegram_id: int) -> None:
        self._cache = {key: each for key, each in self._cache.items() if key[0] != telegram_id}

    async def create(self, teacher: Teacher, record: Record) -> None:
        answer = await self._write(teacher, "POST", record)
        if answer.status_code == 409 or (
            (answer.is_success or answer.status_code == 403) and answers.is_duplicate(answer.content)
        ):
            raise Duplicate("the LMS has this record already")
        check_written(answer)

    async def update(self, teacher: Teacher, record: Record) -> None:
        answer = await self._write(teacher, "PUT", record)
        if answer.status_code == 404:
            raise NotThere("the LMS has no such record")
        check_written(answer)

    async def _write(self, teacher: Teacher, method: str, record: Record) -> httpx.Response:
        remarks = any(line.remark for line in record.lines)
        if remarks and self._sign_ins.older is None:  # only the older server takes remarks; a refresh shows which it is
            tokens = await self._sign_ins.tokens(teacher)
            await self._sign_ins.tokens(teacher, refused=tokens.access)
        body = {
            "subject": record.subject,
            "batch": record.batch,
            "datetime": record.date,
            "location": record.campus,
            "userType": "Mentor",
            "students": [_student(line, with_remark=remarks and bool(self._sign_ins.older)) for line in record.lines],
        }
        return await self._call(teacher, method, "/attendance", json=body)

    async def _call(self, teacher: Teacher, method: str, path: str, **sent: Any) -> httpx.Response:
        """Make a data call; a refused token is renewed by refresh, then by password."""
        tokens = await self._sign_ins.tokens(teacher)
        for sign_in in (False, True):
            answer = await self._http.send(method, self._base + path, tokens.access, **sent)
            if answer.status_code != 401:
                return answer
            log.info("teacher %s: token refused %s", teacher.telegram_id, answers.error_code(answer.content))
            tokens = await self._sign_ins.tokens(teacher, refused=tokens.access, sign_in=sign_in)
        answer = await self._http.send(method, self._base + path, tokens.access, **sent)
        if answer.status_code == 401:
            raise SignInNeeded("the LMS refuses even new tokens")
        return answer


def _student(line: Line, *, with_remark: bool) -> dict[str, Any]:
    student: dict[str, Any] = {"studentId": line.student_id, "status": int(line.status.counts)}
    return {**student, "name": line.name, "remarks": line.remark} if with_remark else student
