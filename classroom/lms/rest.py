"""The LMS over its REST API, both generations of its server.

Answers may have megabytes, so they are parsed in threads.
Nothing of a body, a password or a token gets into a log or an exception.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import httpx

from classroom import lms
from classroom.domain.sessions import Course, Enrolled, Status, Teacher
from classroom.lms import answers
from classroom.lms.answers import Claims
from classroom.lms.rest_sign_in import LmsHttp, SignIns
from classroom.metrics import ClassroomMetrics
from classroom.store import Store
from core.clock import Clock

log = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds, for a whole call
CACHE_SECONDS = 300.0  # for courses and rosters
MENTOR = "Mentor"  # the kind of a teacher's account whose token does not tell it
NOT_A_TEACHER = "this account of the LMS is not a teacher's"
NO_METHOD = frozenset({405, 501})
NO_ROUTE = NO_METHOD | {404}

Call = Callable[..., Awaitable[httpx.Response]]
Key = tuple[int, Course | None]  # teacher and course; None: the courses themselves
Listed = TypeVar("Listed", Course, Enrolled)


class RestLms:
    """An ``Lms``. Besides that protocol's errors each method may raise the store's StoreUnavailable.

    ``base_url`` is BASE_URL, ``login_url`` JWT_LOGIN_ENDPOINT (ends in ``/login``); ``timeout`` is in seconds.
    """

    needs_password = one_record_a_day = True

    def __init__(
        self,
        base_url: str,
        login_url: str,
        store: Store,
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
        metrics: ClassroomMetrics | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._http = LmsHttp(timeout, metrics)
        self._sign_ins = SignIns(self._http, login_url, store, clock)
        self._clock = clock
        self._has_list = True  # False: courses are in the older server's schedule alone
        self._updates: bool | None = None  # whether the server changes records; None until an answer shows it
        self._cache: dict[Key, tuple[float, Any]] = {}
        self.close = self._http.close

    async def sign_in(self, telegram_id: int, phone: str, email: str, password: str) -> lms.SignedIn:
        signed_in = await self._sign_ins.sign_in(telegram_id, phone, email, password, self._admit)
        self._forget(telegram_id)
        return signed_in

    async def sign_out(self, teacher: Teacher) -> None:
        self._forget(teacher.telegram_id)
        await self._sign_ins.sign_out(teacher)

    async def courses(self, teacher: Teacher, *, reload: bool = False) -> list[Course]:
        async def read() -> list[Course]:
            claims = Claims(teacher.lms_id, campus=teacher.campus, kind=await self._kind(teacher))
            return (await self._scheduled(claims, partial(self._call, teacher)))[0]

        return await self._cached((teacher.telegram_id, None), read, reload)

    async def roster(self, teacher: Teacher, course: Course, *, reload: bool = False) -> list[Enrolled]:
        async def read() -> list[Enrolled]:
            body = {"batches": course.batch, "subject": course.subject, "location": teacher.campus}
            answer = await self._call(teacher, "POST", "/attend", json=body)
            return await asyncio.to_thread(lambda: answers.roster(answers.content_of(answer), course.batch))

        return await self._cached((teacher.telegram_id, course), read, reload)

    async def recorded(self, teacher: Teacher, course: Course, date: str) -> tuple[lms.Line, ...] | None:
        wanted = {"location": teacher.campus, "subject": course.subject, "batch": course.batch}
        wanted["userType"] = await self._kind(teacher)
        answer = await self._call(teacher, "GET", "/getattends", params=wanted)
        if answer.status_code in NO_ROUTE:
            raise lms.NotSupported(f"the LMS does not show its records ({answer.status_code})")
        return await asyncio.to_thread(lambda: answers.record(answers.content_of(answer), course, date))

    async def _admit(self, access: str) -> str:
        """Return the name of the teacher whose new token this is; "" if unknown. Raises NotATeacher."""
        claims = answers.claims(access)
        if claims.is_teacher is False:
            raise lms.NotATeacher(NOT_A_TEACHER)
        if claims.is_teacher and claims.name:
            return claims.name
        wanted = replace(claims, kind=claims.kind or MENTOR)
        try:
            courses, name = await self._scheduled(wanted, partial(self._send, access))
        except lms.LmsError:
            if claims.is_teacher:
                return ""
            raise
        if not claims.is_teacher and not courses:
            raise lms.NotATeacher(NOT_A_TEACHER)
        return claims.name or name

    async def _send(self, access: str, method: str, path: str, **sent: Any) -> httpx.Response:
        return await self._http.send(method, self._base + path, access, **sent)

    async def _scheduled(self, claims: Claims, call: Call) -> tuple[list[Course], str]:
        """Return a teacher's courses, and the name if it is there, from the address that this server has."""
        listed = "/attendance", {"mentorId": claims.id, "role": claims.kind}
        scheduled = "/mentorstds", {"mentorId": claims.id, "location": claims.campus}
        both = [scheduled, listed] if self._sign_ins.older or not self._has_list else [listed, scheduled]
        for path, params in both:
            answer = await call("GET", path, params=params)
            if answer.status_code not in NO_ROUTE:
                break
        if path == "/attendance":
            return await asyncio.to_thread(lambda: answers.courses(answers.content_of(answer))), ""
        content = await asyncio.to_thread(answers.content_of, answer)
        self._has_list = False
        return await asyncio.to_thread(answers.schedule, content)

    async def _kind(self, teacher: Teacher) -> str:
        """Return the kind of a teacher's account: it decides which records the LMS reads and writes."""
        return answers.claims((await self._sign_ins.tokens(teacher)).access).kind or MENTOR

    async def record_kind(self, teacher: Teacher) -> str:
        return await self._kind(teacher) if await self._is_older(teacher) else ""

    async def _is_older(self, teacher: Teacher) -> bool:
        if self._sign_ins.older is None and self._has_list:  # after a restart: a refresh shows it
            tokens = await self._sign_ins.tokens(teacher)
            await self._sign_ins.tokens(teacher, refused=tokens.access)
        return bool(self._sign_ins.older) or not self._has_list

    async def can_update(self, teacher: Teacher) -> bool:
        return self._updates if self._updates is not None else not await self._is_older(teacher)

    async def _cached(self, key: Key, read: Callable[[], Awaitable[list[Listed]]], reload: bool) -> list[Listed]:
        until, found = self._cache.get(key, (0.0, []))
        if reload or self._clock.monotonic() >= until:
            found, now = await read(), self._clock.monotonic()
            self._cache = {other: each for other, each in self._cache.items() if now < each[0]}
            self._cache[key] = (now + CACHE_SECONDS, found)
        return list(found)

    def _forget(self, telegram_id: int) -> None:
        self._cache = {key: each for key, each in self._cache.items() if key[0] != telegram_id}

    async def create(self, teacher: Teacher, record: lms.Record) -> None:
        answer = await self._write(teacher, "POST", record)
        await asyncio.to_thread(answers.check_created, answer)

    async def update(self, teacher: Teacher, record: lms.Record) -> None:
        if self._updates is False:
            raise lms.NotSupported("the LMS can't change records")
        answer = await self._write(teacher, "PUT", record)
        if answer.status_code in NO_METHOD:
            self._updates = False
            raise lms.NotSupported(f"the LMS can't change records ({answer.status_code})")
        if answer.status_code == 404:
            raise lms.NotThere("the LMS has no such record")
        await asyncio.to_thread(answers.check_written, answer)
        self._updates = True

    async def _write(self, teacher: Teacher, method: str, record: lms.Record) -> httpx.Response:
        older = await self._is_older(teacher)
        body = {
            "subject": record.subject,
            "batch": record.batch,
            "datetime": record.date,
            "location": record.campus,
            "userType": await self._kind(teacher),
            "students": [_student(line, older=older) for line in record.lines],
        }
        return await self._call(teacher, method, "/attendance", json=body)

    async def _call(self, teacher: Teacher, method: str, path: str, **sent: Any) -> httpx.Response:
        """Make a data call; a refused token is renewed by refresh, then by password."""
        refused = ""
        for tries in range(3):
            tokens = await self._sign_ins.tokens(teacher, refused, sign_in=tries == 2)
            answer = await self._send(tokens.access, method, path, **sent)
            if answer.status_code != 401:
                return answer
            code = await asyncio.to_thread(answers.error_code, answer.content)
            log.info("teacher %s: token refused %s", teacher.telegram_id, code)
            refused = tokens.access
        raise lms.SignInNeeded("the LMS refuses even new tokens")


def _student(line: lms.Line, *, older: bool) -> dict[str, Any]:
    """Return a student of a record. To the older server everything that is not the text "present" is an absence."""
    if not older:
        return {"studentId": line.student_id, "status": int(line.status.counts)}
    status = Status.PRESENT if line.status.counts else Status.ABSENT
    return {"studentId": line.student_id, "name": line.name, "status": status.value, "remarks": line.remark}
