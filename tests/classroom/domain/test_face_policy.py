"""Rules for face checks: challenges, notes, percentages and results."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.domain import face_policy as policy
from classroom.domain.face_policy import Examined, FaceVerdict, Motion, Note, NoteRefusal, Problem

pytestmark = pytest.mark.unit


GIVEN = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
NOTE = Note("video note", GIVEN + timedelta(seconds=20), "file", "unique", seconds=5, size=400_000)
SECOND = timedelta(seconds=1)


class TestChallenge:
    """Random challenges."""

    def test_every_challenge(self) -> None:
        """Two or three motions, at least one of them a turn, neighbours different; each results from one draw."""
        made = []
        for length, number in [*product([0], range(6)), *product([1], range(12))]:
            numbers = iter((length, number))
            made.append(policy.new_challenge(lambda _below, numbers=numbers: next(numbers)))  # type: ignore[misc]
        assert len(set(made)) == len(made)
        assert {len(motions) for motions in made} == {2, 3}
        for motions in made:
            assert {Motion.LEFT, Motion.RIGHT} & set(motions)
            assert all(one is not other for one, other in pairwise(motions))

    def test_bounds(self) -> None:
        """Random numbers have the right limits, so that all challenges of one length are equally likely."""
        asked: list[int] = []

        def below(limit: int) -> int:
            asked.append(limit)
            return limit - 1

        assert len(policy.new_challenge(below)) == 3
        assert asked == [2, 12]


class TestNote:
    """Which messages answer a challenge."""

    def test_good(self) -> None:
        """A fresh video note of a few seconds answers a challenge."""
        assert policy.note_refusal(NOTE, GIVEN) is None

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"kind": "video"}, NoteRefusal.VIDEO),
            ({"kind": "photo"}, NoteRefusal.PHOTO),
            ({"kind": "document"}, NoteRefusal.VIDEO),
            ({"forwarded": True}, NoteRefusal.FORWARDED),
            ({"via_bot": True}, NoteRefusal.VIA_BOT),
            ({"at": GIVEN - policy.AHEAD - SECOND}, NoteRefusal.EARLY),
            ({"at": GIVEN - policy.AHEAD}, None),
            ({"at": GIVEN + policy.CHALLENGE_LASTS}, None),
            ({"at": GIVEN + policy.CHALLENGE_LASTS + SECOND}, NoteRefusal.LATE),
            ({"seconds": 0}, NoteRefusal.SHORT),
            ({"seconds": policy.SHORTEST_NOTE - 1}, NoteRefusal.SHORT),
            ({"seconds": policy.SHORTEST_NOTE}, None),
            ({"seconds": policy.LONGEST_NOTE}, None),
            ({"seconds": policy.LONGEST_NOTE + 1}, NoteRefusal.LONG),
            ({"size": policy.LARGEST_NOTE}, None),
            ({"size": policy.LARGEST_NOTE + 1}, NoteRefusal.LARGE),
            ({"size": 0}, None),
        ],
    )
    def test_edges(self, change: dict[str, object], refusal: NoteRefusal | None) -> None:
        """Each problem of a message has its own refusal, at its exact limit."""
        assert policy.note_refusal(replace(NOTE, **change), GIVEN) is refusal  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", ["video note", "video", "photo"])
    @pytest.mark.parametrize(("forwarded", "via_bot"), [(True, False), (False, True), (True, True)])
    def test_never_from_elsewhere(self, kind: str, forwarded: bool, via_bot: bool) -> None:
        """A forwarded message, or one sent through a bot, never counts."""
        note = replace(NOTE, kind=kind, forwarded=forwarded, via_bot=via_bot)
        assert policy.note_refusal(note, GIVEN) is not None

    def test_first_what_it_is(self) -> None:
        """A late gallery video is refused as an ordinary video: sending it faster would not help."""
        note = replace(NOTE, kind="video", at=GIVEN + timedelta(hours=1))
        assert policy.note_refusal(note, GIVEN) is NoteRefusal.VIDEO

    @given(st.integers(-100_000, 100_000))
    def test_time(self, seconds: int) -> None:
        """A note counts only if it came within the challenge's time by Telegram's clock."""
        found = policy.note_refusal(replace(NOTE, at=GIVEN + timedelta(seconds=seconds)), GIVEN)
        assert (found is None) == (-policy.AHEAD.total_seconds() <= seconds <= policy.CHALLENGE_LASTS.total_seconds())


class TestPercent:
    """Distances as percentages."""

    @pytest.mark.parametrize(
        ("distance", "percent"),
        [(-1, 100), (0, 100), (0.24, 85), (0.48, 70), (0.74, 35), (1, 0), (1.5, 0), (float("inf"), 0)],
    )
    def test_points(self, distance: float, percent: float) -> None:
        """The points that define the scale, the values half way between, and beyond."""
        assert policy.percent(distance) == pytest.approx(percent)

    @given(st.floats(-1, 3), st.floats(-1, 3))
    def test_falls(self, first: float, second: float) -> None:
        """A larger distance never has a higher percentage, and all are from 0 to 100."""
        near, far = sorted((first, second))
        assert 100 >= policy.percent(near) >= policy.percent(far) >= 0

    def test_no_number(self) -> None:
        """A distance that is not a number never matches."""
        assert policy.percent(float("nan")) == 0


class TestVerdict:
    """Results of checks."""

    @pytest.mark.parametrize(
        ("percent", "verdicts"),
        [
            (100, [FaceVerdict.MATCH] * 3),
            (70, [FaceVerdict.MATCH] * 3),
            (69.99, [FaceVerdict.RETRY, FaceVerdict.GREY, FaceVerdict.GREY]),
            (0, [FaceVerdict.RETRY, FaceVerdict.GREY, FaceVerdict.GREY]),
            (float("nan"), [FaceVerdict.RETRY, FaceVerdict.GREY, FaceVerdict.GREY]),
            (None, [FaceVerdict.RETRY, FaceVerdict.GREY, FaceVerdict.GREY]),
        ],
    )
    def test_edges(self, percent: float | None, verdicts: list[FaceVerdict]) -> None:
        """At the threshold it is a match; below it there is one retry, then the teacher decides."""
        found = [policy.verdict(Examined(percent=percent), failed, 70, 1) for failed in range(3)]
        assert found == verdicts

    @pytest.mark.parametrize(
        ("distance", "verdict"),
        [(0.3, FaceVerdict.MATCH), (0.48, FaceVerdict.MATCH), (0.481, FaceVerdict.GREY), (0.9, FaceVerdict.GREY)],
    )
    def test_local_edges(self, distance: float, verdict: FaceVerdict) -> None:
        """With the default threshold a distance up to 0.48 is a match, and the teacher decides above."""
        examined = Examined(distance=distance, percent=policy.percent(distance))
        assert policy.verdict(examined, 1, 70, 1) is verdict

    @given(
        st.sampled_from([None, *Problem]),
        st.one_of(st.none(), st.floats(0, 100)),
        st.sampled_from([None, True, False]),
        st.integers(0, 6),
        st.integers(0, 5),
    )
    def test_nobody_is_refused(
        self, problem: Problem | None, percent: float | None, nearest: bool | None, failed: int, retries: int
    ) -> None:
        """After the retries every result but a match is the teacher's: no verdict refuses anybody."""
        examined = Examined(problem, percent=percent, nearest=nearest)
        found = policy.verdict(examined, failed, 70, retries)
        is_match = problem is None and nearest is not False and percent is not None and percent >= 70
        assert (found is FaceVerdict.MATCH) == is_match
        assert found is not FaceVerdict.RETRY or failed < retries
        assert (found is FaceVerdict.FAILED) == (problem is not None and failed >= retries)

    @pytest.mark.parametrize("failed", [0, 1])
    def test_a_classmate_is_as_near(self, failed: int) -> None:
        """A match that is not nearer than every classmate is reviewed at once: another video would not help."""
        assert policy.verdict(Examined(percent=99, nearest=False), failed, 70, 1) is FaceVerdict.GREY
        assert policy.verdict(Examined(percent=99, nearest=True), failed, 70, 1) is FaceVerdict.MATCH

    @pytest.mark.parametrize("problem", list(Problem))
    def test_problem(self, problem: Problem) -> None:
        """With a problem even the best match does not count: a photograph matches itself."""
        assert policy.verdict(Examined(problem, 0.0, 100.0), 0, 70, 1) is FaceVerdict.RETRY
        assert policy.verdict(Examined(problem, 0.0, 100.0), 1, 70, 1) is FaceVerdict.FAILED

    @pytest.mark.parametrize("retries", range(6))
    def test_retries(self, retries: int) -> None:
        """There is exactly one try more than there are retries."""
        examined = Examined(percent=10.0)
        verdicts = [policy.verdict(examined, failed, 70, retries) for failed in range(retries + 1)]
        assert verdicts == [FaceVerdict.RETRY] * retries + [FaceVerdict.GREY]

    @given(st.floats(0, 100), st.floats(1, 100), st.integers(0, 6), st.integers(0, 5))
    def test_tries_never_matter_to_a_match(self, percent: float, threshold: float, failed: int, retries: int) -> None:
        """A percentage from the threshold on is a match at any try, and no other one is."""
        found = policy.verdict(Examined(percent=percent), failed, threshold, retries)
        assert (found is FaceVerdict.MATCH) == (percent >= threshold)


class TestNotes:
    """What the store keeps of why the teacher decides."""

    @pytest.mark.parametrize("problem", list(Problem))
    def test_a_problem(self, problem: Problem) -> None:
        """A note with a problem is read back, and its check-in is decided with the pictures."""
        note = f"{policy.FACE}: {problem.value}"
        assert (policy.problem_in(note), policy.is_reviewed(note), policy.is_of_check(note)) == (problem, True, True)

    @pytest.mark.parametrize("note", ["", policy.FACE, policy.CLEAR, policy.NO_FACE, "face: of a later version"])
    def test_no_problem(self, note: str) -> None:
        """Other notes name no problem."""
        assert policy.problem_in(note) is None

    def test_consent_texts(self) -> None:
        """Each engine, and the comparison with the class, has its own version of the consent text, a new one."""
        versions = [policy.wording(engine, compares_class=False) for engine in ("local", "rekognition")]
        versions.append(policy.wording("local", compares_class=True))
        assert len(set(versions)) == 3
        assert min(versions) > 2

    @pytest.mark.parametrize("compares", [False, True])
    def test_amazon_never_decides(self, compares: bool) -> None:
        """Rekognition was never measured by us: its matches only sort the teacher's list."""
        assert not policy.decides("rekognition", compares)


class TestTerm:
    """Ends of terms."""

    @pytest.mark.parametrize(
        ("today", "ends"),
        [
            (date(2026, 11, 21), date(2027, 1, 31)),
            (date(2026, 1, 31), date(2026, 1, 31)),
            (date(2026, 2, 1), date(2026, 7, 31)),
            (date(2026, 12, 31), date(2027, 1, 31)),
        ],
    )
    def test_next(self, today: date, ends: date) -> None:
        """The next end counts, today's included, also across the turn of the year."""
        assert policy.next_term_end(today, ("01-31", "07-31")) == ends


class TestNearest:
    """Comparison with the class, and whether faces decide."""

    @pytest.mark.parametrize(
        ("distance", "others", "nearest"),
        [
            (0.3, [], True),
            (0.3, [0.36, 0.9], True),
            (0.3, [0.34, 0.9], False),
            (0.3, [0.3], False),
            (0.3, [0.9, 0.2], False),
            (0.3, [float("nan")], False),
            (float("nan"), [0.9], False),
        ],
    )
    def test_margin(self, distance: float, others: list[float], nearest: bool) -> None:
        """The claimed student has to be nearer than every classmate, by the margin."""
        assert policy.is_nearest(distance, others) is nearest

    @given(st.floats(1, 100))
    def test_distance_of(self, percent: float) -> None:
        """Each percentage has the distance that it was computed from."""
        assert policy.percent(policy.distance_of(percent)) == pytest.approx(percent)

    @pytest.mark.parametrize("engine", ["local", "rekognition"])
    def test_decides(self, engine: str) -> None:
        """No engine was shown to accept at most 1 classmate in 1,000, so none marks by itself."""
        assert not policy.decides(engine, compares_class=False)
        assert not policy.decides(engine, compares_class=True)
