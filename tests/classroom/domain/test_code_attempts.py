"""Limits on wrong codes."""

import math
from datetime import timedelta

import pytest

from classroom.domain import code_attempts as codes
from classroom.domain.sessions import OVERLAP
from core.settings import SHORTEST_CODE

pytestmark = pytest.mark.unit


class TestTries:
    def test_lock(self) -> None:
        """The fifth wrong try locks an account."""
        assert [codes.locked(tries) for tries in (0, 4, 5, 6)] == [False, False, True, True]

    @pytest.mark.parametrize(
        ("on_id", "in_session", "bound", "note"),
        [
            (0, 0, False, ""),
            (19, 39, False, ""),
            (20, 39, False, codes.MANY_TRIES),
            (20, 39, True, ""),
            (0, 40, False, codes.MANY_IN_SESSION),
            (20, 40, True, codes.MANY_IN_SESSION),
        ],
    )
    def test_suspicion(self, on_id: int, in_session: int, bound: bool, note: str) -> None:
        """Many tries on an ID lead to a review unless it is bound to the account; many in a session always do."""
        assert codes.suspicion(on_id, in_session, bound=bound) == note

    def test_chance_of_guessing(self) -> None:
        """One account, and all accounts together in one session, guess a valid code with less than 1 in 10,000."""
        possible, good_at_a_time = 10**6, 1 + math.ceil(OVERLAP / timedelta(seconds=SHORTEST_CODE))
        assert codes.TRIES * good_at_a_time / possible < 1 / 10_000
        assert codes.TRIES_IN_SESSION * good_at_a_time / possible < 1 / 10_000
