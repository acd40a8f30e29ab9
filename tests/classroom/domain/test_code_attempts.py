"""Limits on wrong codes."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from classroom.domain import code_attempts as codes
from classroom.domain.code_attempts import WrongTry
from classroom.domain.sessions import OVERLAP
from core.settings import SHORTEST_CODE
from tests.classroom.domain.test_sessions import SESSION, after

pytestmark = pytest.mark.unit


class TestTries:
    def test_lock(self) -> None:
        """The fifth wrong try locks an account until the fifth newest no longer counts."""
        tries = [WrongTry("s1", after(each)) for each in range(7)]
        until = [codes.locked_until(tries[:number], {}) for number in (0, 4, 5, 6, 7)]
        assert until == [None, None, *(after(each + 900) for each in (0, 1, 2))]

    @pytest.mark.parametrize(
        ("seconds", "until"),
        [
            ((10, 20, 30, 40, 50), 120),  # all in one lesson: until it ends
            ((10, 20, 30, 40, 130), 120),  # one after its end: the others no longer count then
            ((130, 140, 150, 160, 170), 400),  # after it: until the next one opens
            ((430, 440, 450, 460, 470), 520),
            ((530, 540, 550, 560, 570), 1430),  # after both: the whole time
        ],
    )
    def test_lock_of_a_lesson(self, seconds: tuple[int, ...], until: int) -> None:
        """A lock ends with its lesson, and when the next lesson with the typed ID opens."""
        lessons = [
            replace(SESSION, opened_at=after(begin), closes_at=after(end)) for begin, end in ((0, 120), (400, 520))
        ]
        tries = [WrongTry("s1", after(each)) for each in seconds]
        assert codes.locked_until(tries, dict.fromkeys(tries, lessons)) == after(until)
        assert codes.locked_until(tries, {}) == after(seconds[0] + 900)

    def test_lock_of_a_lesson_closed_early(self) -> None:
        """A lock also ends when the teacher closes the session early."""
        tries = [WrongTry("s1", after(10))] * 5
        closed = replace(SESSION, ended_at=after(60))
        assert codes.locked_until(tries, dict.fromkeys(tries, (closed,))) == after(60)

    def test_lock_of_a_lesson_opened_again(self) -> None:
        """A lock ends when the teacher opens the session again, with a new code; wrong tries on this one lock anew."""
        lesson = replace(SESSION, opened_at=after(0), closes_at=after(420), reopened_at=after(300))
        before, afterwards = ([WrongTry("s1", after(each))] * 5 for each in (10, 310))
        assert codes.locked_until(before, dict.fromkeys(before, (lesson,))) == after(300)
        tries = before + afterwards
        assert codes.locked_until(tries, dict.fromkeys(tries, (lesson,))) == after(420)

    @pytest.mark.parametrize(
        ("on_id", "in_session", "bound", "note"),
        [
            (0, 0, False, ""),
            (19, 23, False, ""),
            (20, 23, False, codes.MANY_TRIES),
            (20, 23, True, ""),
            (0, 24, False, codes.MANY_IN_SESSION),
            (20, 24, True, codes.MANY_IN_SESSION),
        ],
    )
    def test_suspicion(self, on_id: int, in_session: int, bound: bool, note: str) -> None:
        """Many tries on an ID lead to a review unless it is bound to the account; many in a session always do."""
        assert codes.suspicion(on_id, in_session, bound=bound) == note

    def test_chance_of_guessing(self) -> None:
        """One account, and all accounts together in one session, guess a valid code with less than 1 in 10,000."""
        possible, good_at_a_time = 10**6, 1 + math.ceil(OVERLAP / timedelta(seconds=SHORTEST_CODE))
        assert codes.TRIES * good_at_a_time / possible < 1 / 10_000
        assert 2 * codes.TRIES_IN_SESSION * good_at_a_time / possible < 1 / 10_000  # bound and unbound accounts
