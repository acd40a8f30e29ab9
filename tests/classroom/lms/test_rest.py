"""The REST adapter against both generations of the simulated LMS, with and without faults."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest

from classroom.domain.sessions import Course, Status
from classroom.lms import (
    Duplicate,
    LmsError,
    LmsRefused,
    LmsUnavailable,
    NotATeacher,
    NotSupported,
    NotThere,
    SignedInElsewhere,
    SignInNeeded,
    Unclear,
    WrongPassword,
)
from classroom.lms.rest import RestLms
from classroom.store import Store, StoreUnavailable, Tokens
from sandbox.lms.behaviour import FALSE_SUCCESSES
from sandbox.lms.world import NEWER, OLDER
from tests.classroom.lms.fakes import DATE, TEACHER
from tests.classroom.lms.simulated import COURSE, PASSWORD, Scene, account

pytestmark = pytest.mark.integration


HOUR = 3600.0


@pytest.fixture(params=[NEWER, OLDER])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with Scene(request.param).playing() as scene:
        yield scene


@pytest.fixture
async def signed_in(scene: Scene) -> Scene:
    await scene.signs_in()
    return scene


class TestSigningIn:
    async def test_sign_in(self, scene: Scene) -> None:
        """The token, which is stored, identifies the teacher; the e-mail is tried as typed, then in lower case."""
        signed = await scene.lms.sign_in(7, TEACHER.phone, " Teacher@Example.org ", PASSWORD)
        assert (signed.teacher, signed.others_ended) == (TEACHER, False)
        tokens = scene.store.all_tokens[7]
        assert (tokens.access.count("."), tokens.password) == (2, PASSWORD)
        newer = scene.world.generation == NEWER  # the older server's token has no name: its schedule has
        assert scene.calls() == [("login", 400 if newer else 401), ("login", 200), *[("courses", 200)] * (not newer)]

    async def test_address_in_capitals(self, scene: Scene) -> None:
        """The older LMS compares addresses exactly: one that it has with capitals works only as it is."""
        await scene.control("teachers", **account(email="A.Teacher@Example.org"))
        lower = scene.world.generation == NEWER
        signed = await scene.lms.sign_in(7, "", "A.Teacher@Example.org", PASSWORD)
        assert signed.teacher.email == ("a.teacher@example.org" if lower else "A.Teacher@Example.org")
        assert [status for call, status in scene.calls() if call == "login"] == ([400, 200] if lower else [200])

    @pytest.mark.parametrize("password", ["wrong", PASSWORD])
    async def test_one_try_in_lower_case(self, scene: Scene, password: str) -> None:
        """An address in lower case is tried once, so that a wrong password does not count twice."""
        with contextlib.suppress(WrongPassword):
            await scene.lms.sign_in(7, "", TEACHER.email, password)
        assert [call for call, _ in scene.calls()].count("login") == 1

    @pytest.mark.parametrize("kind", ["student_login_details", "Manager", "superAdmin", "Testers", "Student"])
    async def test_not_a_teacher(self, scene: Scene, kind: str) -> None:
        """Another kind of account is refused, its session ended, and no token of it kept."""
        await scene.control("teachers", **account(email="other@example.org", user_type=kind))
        for _ in range(2):
            with pytest.raises(NotATeacher):
                await scene.lms.sign_in(7, "", "other@example.org", PASSWORD)
        assert scene.store.all_tokens == {}
        assert scene.calls() == [("login", 200), ("logout", 200)] * 2

    @pytest.mark.parametrize("kind", ["Mentors", "Practice_Mentors", "mentor", "Practice Mentor", "lecturer"])
    async def test_kinds_of_teachers(self, scene: Scene, kind: str) -> None:
        """Each known kind of teacher is one, in any spelling."""
        await scene.control("teachers", **account(user_type=kind))
        assert (await scene.lms.sign_in(7, "", TEACHER.email, PASSWORD)).teacher.lms_id == TEACHER.lms_id

    async def test_without_a_kind(self, scene: Scene) -> None:
        """An account whose token names no kind is a teacher's if it has a batch; one that can't be read is unknown."""
        await scene.control("teachers", **account(user_type=None))
        await scene.control("teachers", **account(id="s1", email="other@example.org", user_type=None))
        assert (await scene.lms.sign_in(7, "", TEACHER.email, PASSWORD)).teacher.name == TEACHER.name
        with pytest.raises(NotATeacher):
            await scene.lms.sign_in(8, "", "other@example.org", PASSWORD)
        await scene.behave(calls=["courses"], status=500)
        with pytest.raises(LmsUnavailable):
            await scene.lms.sign_in(8, "", "other@example.org", PASSWORD)
        assert list(scene.store.all_tokens) == [7]

    async def test_name_that_can_not_be_read(self, scene: Scene) -> None:
        """Without a name in the token and a schedule to be read, the address is the teacher's name."""
        await scene.control("teachers", **account(name=""))
        await scene.behave(calls=["courses"], status=500)
        assert (await scene.lms.sign_in(7, "", TEACHER.email, PASSWORD)).teacher.name == TEACHER.email

    async def test_wrong_password(self, scene: Scene) -> None:
        """A wrong password raises WrongPassword, and nothing is stored."""
        with pytest.raises(WrongPassword):
            await scene.lms.sign_in(7, "", TEACHER.email, "wrong")
        assert scene.store.all_tokens == {}

    async def test_signed_in_elsewhere(self, signed_in: Scene) -> None:
        """Another open session is ended, and the sign-in repeated once; the result says so."""
        begin = signed_in.calls_made()
        signed = await signed_in.lms.sign_in(7, "", TEACHER.email, PASSWORD)
        assert signed.others_ended
        assert signed_in.calls(begin)[:3] == [("login", 409), ("logout", 200), ("login", 200)]
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]

    async def test_other_session_that_does_not_end(self, signed_in: Scene) -> None:
        """If the other session can't be ended, the error is temporary, and nothing is repeated."""
        await signed_in.behave(calls=["logout"], status=500)
        begin = signed_in.calls_made()
        with pytest.raises(LmsUnavailable, match="another session") as unavailable:
            await signed_in.lms.sign_in(7, "", TEACHER.email, PASSWORD)
        assert isinstance(unavailable.value, SignedInElsewhere)
        assert signed_in.calls(begin) == [("login", 409), ("logout", 500), ("login", 409)]

    async def test_sign_in_whose_answer_was_lost(self, scene: Scene) -> None:
        """A session whose answer was lost is ended by the password; the older server needs its token for that."""
        await scene.behave(calls=["login"], drop_answers=1)
        with pytest.raises(LmsUnavailable):
            await scene.signs_in()
        if scene.world.generation == OLDER:
            with pytest.raises(SignedInElsewhere):
                await scene.signs_in()
            scene.world.end_sign_in(TEACHER.email)
        await scene.signs_in()
        assert await scene.lms.courses(scene.teacher) == [COURSE]

    async def test_sign_out(self, signed_in: Scene) -> None:
        """Signing out ends the session in the LMS: the next sign-in has no other session to end."""
        await signed_in.lms.sign_out(signed_in.teacher)
        assert (await signed_in.lms.sign_in(7, "", TEACHER.email, PASSWORD)).others_ended is False

    async def test_sign_out_while_down(self, signed_in: Scene) -> None:
        """Signing out never raises, whatever the LMS and the store do."""
        await signed_in.behave(down=True)
        await signed_in.lms.sign_out(signed_in.teacher)
        signed_in.store.fails["tokens"] = 1
        await signed_in.lms.sign_out(signed_in.teacher)
        assert signed_in.calls()[-1] == ("logout", 0)

    async def test_tokens_that_can_not_be_kept(self, scene: Scene) -> None:
        """A sign-in whose tokens can't be stored fails."""
        scene.store.fails["save_tokens"] = 1
        with pytest.raises(StoreUnavailable):
            await scene.signs_in()


class TestTokens:
    async def test_used_until_a_minute_before_the_end(self, signed_in: Scene) -> None:
        """The access token is used for 59 minutes, then refreshed before a call, by both generations' protocols."""
        begin = signed_in.calls_made()
        signed_in.clock.seconds += HOUR - 61
        await signed_in.lms.courses(signed_in.teacher)
        signed_in.clock.seconds += 1
        await signed_in.lms.courses(signed_in.teacher, reload=True)
        assert signed_in.calls(begin) == [("courses", 200), ("refresh", 200), ("courses", 200)]

    async def test_refreshed_again_and_again(self, signed_in: Scene) -> None:
        """Rotating refresh tokens are followed, also after restarts that don't know the server's generation."""
        begin = signed_in.calls_made()
        for _ in range(4):
            signed_in.clock.seconds += HOUR
            lms = signed_in.new_lms()
            assert await lms.courses(signed_in.teacher) == [COURSE]
            signed_in.clock.seconds += HOUR
            assert await lms.courses(signed_in.teacher, reload=True) == [COURSE]
            await lms.close()
        calls = [each for each in signed_in.calls(begin) if each not in [("refresh", 404), ("courses", 405)]]
        assert calls == [("refresh", 200), ("courses", 200)] * 8

    async def test_parallel_calls_refresh_once(self, signed_in: Scene) -> None:
        """Many concurrent calls with an expired token cost one refresh."""
        begin = signed_in.calls_made()
        signed_in.clock.seconds += HOUR
        await asyncio.gather(*(signed_in.lms.courses(signed_in.teacher, reload=True) for _ in range(10)))
        assert signed_in.calls(begin) == [("refresh", 200), *[("courses", 200)] * 10]

    async def test_parallel_calls_that_are_refused_refresh_once(self, signed_in: Scene) -> None:
        """Many concurrent calls whose token the LMS refuses early cost one refresh."""
        begin = signed_in.calls_made()
        signed_in.world.sign_ins[TEACHER.email].access.clear()
        await asyncio.gather(*(signed_in.lms.courses(signed_in.teacher, reload=True) for _ in range(5)))
        assert signed_in.calls(begin).count(("refresh", 200)) == 1
        assert signed_in.calls(begin).count(("courses", 200)) == 5

    async def test_session_ended_by_another_sign_in(self, signed_in: Scene) -> None:
        """After the teacher signed in elsewhere, the stored password signs in again and ends that session."""
        await signed_in.control("elsewhere", email=TEACHER.email)
        begin = signed_in.calls_made()
        expected = [("courses", 401), ("refresh", 401), ("login", 409)]
        if signed_in.world.generation == NEWER:
            assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]
            assert signed_in.calls(begin) == [*expected, ("logout", 200), ("login", 200), ("courses", 200)]
        else:  # that server ends a session by its own token alone, which is not ours: the person has to
            with pytest.raises(SignedInElsewhere):
                await signed_in.lms.courses(signed_in.teacher)
            assert signed_in.calls(begin) == [*expected, ("logout", 401), ("login", 409)]

    async def test_sign_in_after_a_refusal(self, signed_in: Scene) -> None:
        """A teacher who has to sign in again can: the stored access token ends our old session."""
        signed_in.forgets_password()
        signed_in.world.sign_ins[TEACHER.email].refresh = "another"
        signed_in.clock.seconds += HOUR
        with pytest.raises(SignInNeeded):
            await signed_in.lms.courses(signed_in.teacher)
        await signed_in.signs_in()
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]

    async def test_refresh_token_is_over(self, signed_in: Scene) -> None:
        """After a week without a call the password signs in again; the expired refresh token is not sent."""
        begin = signed_in.calls_made()
        signed_in.clock.seconds += 8 * 24 * HOUR
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]
        assert signed_in.calls(begin) == [("login", 200), ("courses", 200)]

    async def test_refresh_whose_answer_was_lost(self, signed_in: Scene) -> None:
        """A refresh whose answer was lost does no harm, also if the refresh token rotates."""
        signed_in.clock.seconds += HOUR
        await signed_in.behave(calls=["refresh"], drop_answers=1)
        with pytest.raises(LmsUnavailable):
            await signed_in.lms.courses(signed_in.teacher)
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]

    async def test_refreshed_token_that_could_not_be_kept(self, signed_in: Scene) -> None:
        """New tokens that can't be stored are used for this call; the next one renews them again."""
        signed_in.clock.seconds += HOUR
        signed_in.store.fails["save_tokens"] = 1
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]
        assert await signed_in.lms.courses(signed_in.teacher, reload=True) == [COURSE]

    async def test_sign_in_needed(self, signed_in: Scene) -> None:
        """Without a stored password refused tokens need the teacher; until then the LMS is not called."""
        begin = signed_in.calls_made()
        signed_in.forgets_password()
        signed_in.world.end_sign_in(TEACHER.email)
        for _ in range(2):
            with pytest.raises(SignInNeeded):
                await signed_in.lms.courses(signed_in.teacher)
        assert signed_in.calls(begin) == [("courses", 401), ("refresh", 401)]

    async def test_password_was_changed(self, signed_in: Scene) -> None:
        """A refused password is deleted and not tried again."""
        signed_in.world.teachers[TEACHER.email].password = "another"
        signed_in.world.end_sign_in(TEACHER.email)
        for _ in range(3):
            with pytest.raises(SignInNeeded):
                await signed_in.lms.courses(signed_in.teacher)
        assert signed_in.calls().count(("login", 401)) == 1
        assert (signed_in.store.all_tokens[7].refresh, signed_in.store.all_tokens[7].password) == ("", "")

    async def test_down_while_refreshing(self, signed_in: Scene) -> None:
        """A refresh that fails because the LMS is down deletes neither tokens nor password."""
        signed_in.clock.seconds += HOUR
        for fault in ({"down": True}, {"down": False, "status": 503}, {"status": None, "html": 1}):
            await signed_in.behave(**fault)
            with pytest.raises(LmsUnavailable):
                await signed_in.lms.courses(signed_in.teacher)
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]
        assert ("login", 200) not in signed_in.calls()[1:]

    async def test_nobody(self, scene: Scene) -> None:
        """A teacher without tokens has to sign in, and the LMS is not called."""
        with pytest.raises(SignInNeeded):
            await scene.lms.courses(TEACHER)
        assert scene.calls() == []


class TestReading:
    async def test_courses_and_roster(self, signed_in: Scene) -> None:
        """Courses and roster are read, with names unchanged."""
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]
        roster = await signed_in.lms.roster(signed_in.teacher, COURSE)
        assert [(each.student_id, each.name, each.batch) for each in roster] == [
            ("A-001", "_*<&'> 🙂", "A"),
            ("A-002", "Ә. Ученик", "A"),
            ("A-003", "C", "A"),
        ]

    async def test_kept_for_five_minutes(self, signed_in: Scene) -> None:
        """Answers are cached for 5 minutes, for each course, unless reloaded."""
        await signed_in.control("courses", email=TEACHER.email, batch="A", subject="Physics")
        begin = signed_in.calls_made()
        for _ in range(2):
            await signed_in.lms.courses(signed_in.teacher)
            await signed_in.lms.roster(signed_in.teacher, COURSE)
            await signed_in.lms.roster(signed_in.teacher, Course("A", "Physics"))
            signed_in.clock.seconds += 299
        assert [call for call, _ in signed_in.calls(begin)] == ["courses", "roster", "roster"]
        signed_in.clock.seconds += 1
        await signed_in.lms.roster(signed_in.teacher, COURSE)
        await signed_in.lms.roster(signed_in.teacher, COURSE, reload=True)
        assert signed_in.calls_made() == begin + 5

    async def test_nothing_pending(self, signed_in: Scene) -> None:
        """A teacher with nothing pending has an empty list."""
        await signed_in.control("courses", email=TEACHER.email, batch="A", subject="Algorithms", pending=False)
        assert await signed_in.lms.courses(signed_in.teacher) == []

    async def test_somebody_elses(self, signed_in: Scene) -> None:
        """A roster that the teacher may not see is a refusal."""
        with pytest.raises(LmsRefused, match="403"):
            await signed_in.lms.roster(signed_in.teacher, Course("A", "Physics"))

    async def test_failures_are_not_kept(self, signed_in: Scene) -> None:
        """A failed read is not an empty answer, and is not cached."""
        await signed_in.behave(status=500)
        with pytest.raises(LmsUnavailable):
            await signed_in.lms.courses(signed_in.teacher)
        await signed_in.behave(status=None)
        assert await signed_in.lms.courses(signed_in.teacher) == [COURSE]


class TestWriting:
    async def test_create_and_update(self, signed_in: Scene) -> None:
        """A record is created, then replaced, and read back as it was written, in both encodings."""
        assert await signed_in.lms.recorded(signed_in.teacher, COURSE, DATE) is None
        updates = await signed_in.lms.can_update(signed_in.teacher)
        assert updates == (signed_in.world.generation == NEWER)
        with pytest.raises(NotThere if updates else NotSupported):
            await signed_in.lms.update(signed_in.teacher, signed_in.record())
        await signed_in.lms.create(signed_in.teacher, signed_in.record("A-002"))
        with pytest.raises(Duplicate):
            await signed_in.lms.create(signed_in.teacher, signed_in.record())
        if updates:
            await signed_in.lms.update(signed_in.teacher, signed_in.record("A-001", "A-002"))
        lines = await signed_in.lms.recorded(signed_in.teacher, COURSE, DATE)
        assert lines is not None
        assert [line.status.counts for line in lines] == [updates, True, False]
        assert signed_in.present() == ({"A-001", "A-002"} if updates else {"A-002"})

    async def test_update_refused_once(self, signed_in: Scene) -> None:
        """A server that answers an update with 405 is not asked again."""
        await signed_in.behave(updates=False)
        for _ in range(3):
            with pytest.raises(NotSupported):
                await signed_in.lms.update(signed_in.teacher, signed_in.record())
        assert signed_in.calls().count(("update", 405)) == 1
        assert not await signed_in.lms.can_update(signed_in.teacher)

    async def test_no_read_back(self, signed_in: Scene) -> None:
        """A server without the route for records says nothing about them, which is not an empty record."""
        await signed_in.behave(read_back=False)
        with pytest.raises(NotSupported):
            await signed_in.lms.recorded(signed_in.teacher, COURSE, DATE)

    @pytest.mark.parametrize("kind", FALSE_SUCCESSES)
    async def test_false_success(self, signed_in: Scene, kind: str) -> None:
        """A success with an error in it is a refusal; one without words, or with others than JSON, is unclear."""
        await signed_in.behave(false_success=kind)
        with pytest.raises(Unclear if kind in ("empty", "text") else LmsRefused, match="the LMS answers") as error:
            await signed_in.lms.create(signed_in.teacher, signed_in.record("A-001"))
        assert kind in ("empty", "text") or error.value.words == f"200 {kind}"  # type: ignore[attr-defined]
        assert signed_in.world.records == {}

    @pytest.mark.parametrize("kind", ["", "Practice_Mentors"])
    async def test_practice_mentors(self, signed_in: Scene, kind: str) -> None:
        """The kind of account in the token goes with each call: practice mentors' records are apart, which is known."""
        await signed_in.control("teachers", **account(user_type=kind))
        signed_in.world.end_sign_in(TEACHER.email)
        await signed_in.signs_in()
        assert await signed_in.lms.courses(signed_in.teacher, reload=True) == [COURSE]
        await signed_in.lms.create(signed_in.teacher, signed_in.record("A-001"))
        assert await signed_in.lms.recorded(signed_in.teacher, COURSE, DATE) is not None
        apart = signed_in.world.generation == OLDER and kind != ""
        assert len(signed_in.world.practice_records) == apart
        assert (await signed_in.lms.record_kind(signed_in.teacher) == "Practice_Mentors") == apart

    async def test_remarks(self, signed_in: Scene) -> None:
        """Late is written as present, excused as absent; the older server gets names and remarks, too.

        There everything but the text "present" would count as an absence.
        """
        lines = signed_in.record("A-001").lines
        lines = (lines[0], replace(lines[1], status=Status.EXCUSED, remark="excused: ill"), lines[2])
        lms = signed_in.new_lms()
        await lms.create(signed_in.teacher, replace(signed_in.record(), lines=lines))
        await lms.close()
        (record,) = (await signed_in.http.get("/control/records")).json()
        assert record["students"] == {"A-001": 1, "A-002": 0, "A-003": 0}
        older = signed_in.world.generation == OLDER
        assert record["remarks"] == ({"A-002": "excused: ill"} if older else {})
        assert record["names"] == ({line.student_id: line.name for line in lines} if older else {})

    async def test_refused_without_duplicate(self, signed_in: Scene) -> None:
        """A 403 without a duplicate in its body is a refusal, never a success."""
        await signed_in.behave(calls=["create", "update"], status=403)
        for write in (signed_in.lms.create, signed_in.lms.update):
            with pytest.raises(LmsRefused) as refused:
                await write(signed_in.teacher, signed_in.record())
            assert type(refused.value) is LmsRefused

    async def test_refused_roster(self, signed_in: Scene) -> None:
        """A record that is not the whole roster is refused permanently."""
        record = signed_in.record()
        with pytest.raises(LmsRefused, match="400"):
            await signed_in.lms.create(signed_in.teacher, replace(record, lines=record.lines[1:]))
        assert signed_in.world.records == {}

    @pytest.mark.parametrize("fault", [{"down": True}, {"status": 500}, {"status": 429}, {"html": 1}])
    async def test_not_done(self, signed_in: Scene, fault: dict[str, object]) -> None:
        """An outage, a server error, or a proxy's page with status 200 is temporary; nothing was written."""
        await signed_in.behave(**fault)
        with pytest.raises(LmsUnavailable):
            await signed_in.lms.create(signed_in.teacher, signed_in.record("A-001"))
        assert signed_in.world.records == {}

    @pytest.mark.parametrize("fault", ["drop_answers", "broken_json"])
    async def test_done_and_not_confirmed(self, signed_in: Scene, fault: str) -> None:
        """A write whose answer is lost or truncated is unconfirmed, and the next try finds the record."""
        await signed_in.behave(**{fault: 1})
        with pytest.raises(LmsUnavailable):
            await signed_in.lms.create(signed_in.teacher, signed_in.record("A-001"))
        with pytest.raises(Duplicate):
            await signed_in.lms.create(signed_in.teacher, signed_in.record("A-001"))
        assert signed_in.present() == {"A-001"}

    async def test_refusal_that_is_cut_off(self, signed_in: Scene) -> None:
        """A 403 with a truncated body may have been a duplicate: it is neither that nor a refusal."""
        await signed_in.lms.create(signed_in.teacher, signed_in.record())
        await signed_in.behave(broken_json=1, calls=["create"])
        with pytest.raises((LmsUnavailable, Duplicate)) as error:
            await signed_in.lms.create(signed_in.teacher, signed_in.record())
        older = signed_in.world.generation == OLDER  # its 409 says enough without words
        assert type(error.value) is (Duplicate if older else LmsUnavailable)

    async def test_slow(self, signed_in: Scene) -> None:
        """An answer that takes longer than the time limit is an error."""
        lms = signed_in.new_lms(timeout=0.1)
        await signed_in.behave(slow_ms=300)
        with pytest.raises(LmsUnavailable, match="in time"):
            await lms.create(signed_in.teacher, signed_in.record())
        await lms.close()

    @pytest.mark.parametrize("times", [1, 2])
    async def test_token_ends_in_mid_write(self, signed_in: Scene, times: int) -> None:
        """A token that expires during a write is renewed, twice if needed, and the write is done."""
        await signed_in.behave(expire_in_call=times)
        await signed_in.lms.create(signed_in.teacher, signed_in.record("A-003"))
        assert signed_in.present() == {"A-003"}
        assert signed_in.calls().count(("create", 401)) == times

    async def test_token_never_good_enough(self, signed_in: Scene) -> None:
        """An LMS that refuses even new tokens is not called endlessly."""
        await signed_in.behave(expire_in_call=100)
        with pytest.raises(SignInNeeded):
            await signed_in.lms.create(signed_in.teacher, signed_in.record())
        assert signed_in.calls_made() < 12


async def test_nothing_there() -> None:
    """A refused connection means that the LMS is down."""
    scene = Scene(NEWER)
    lms = RestLms("http://127.0.0.1:9/api/v1", "http://127.0.0.1:9/login", cast(Store, scene.store), scene.clock)
    with pytest.raises(LmsUnavailable, match="ConnectError"):
        await lms.sign_in(7, "", TEACHER.email, PASSWORD)
    await lms.close()


async def test_no_secret_in_logs_and_errors(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """With every fault neither the password nor a token gets into our log or an error."""
    caplog.set_level(logging.DEBUG, "classroom")
    faults: list[dict[str, object]] = [
        {"down": True},
        {"down": False, "status": 401},
        {"status": 403},
        {"status": 500},
        {"status": None, "html": 1},
        {"broken_json": 1},
        {"drop_answers": 1},
        {"expire_in_call": 3},
    ]
    texts: list[str] = []
    secrets = {PASSWORD}
    for fault in faults:
        await scene.behave(down=False, status=None, expire_in_call=0, calls=["login", "refresh", "courses", "create"])
        await scene.signs_in()
        tokens = scene.store.all_tokens[7]
        secrets |= {tokens.access, tokens.refresh}
        await scene.behave(**fault)
        for call in (
            scene.lms.create(scene.teacher, scene.record()),
            scene.lms.courses(scene.teacher, reload=True),
            scene.lms.sign_in(7, "", TEACHER.email, PASSWORD),
        ):
            try:
                await call
            except LmsError as error:
                texts.append(f"{error} {error.__cause__} {error!r}")
    assert len(texts) > 10
    for secret in secrets:
        assert secret not in caplog.text
        assert not any(secret in each for each in texts)
    assert PASSWORD not in repr(Tokens("a", "r", PASSWORD))
