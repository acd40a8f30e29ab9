"""Parsing of a lesson's card, and the key that identifies a lesson."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.lessons import Lesson, parse_card

pytestmark = pytest.mark.unit


MONDAY = date(2026, 9, 7)
PORTAL = "https://wsp.kbtu.kz/RegistrationOnline"
# lines of a card: not blank, and without anything that looks like hours
LINES = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=20).filter(
    lambda line: line.strip() and "(" not in line
)
CARD = ["Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)"]
# the minutes, and the same with two digits
TICKING = [
    *("{} minutes left", "{} min left", "ends in {} min", "closes in 00:{1}:30", "{1}:59 left", "time left: {1}:00"),
    *("Осталось {} минут", "Осталось: {} мин.", "осталось 0 ч {} мин", "до конца {} мин", "закроется через {} секунд"),
    *("{} минут қалды", "Қалған уақыт: {} мин", "Аяқталуына {} минут қалды", "жабылуына {} сек", "{} мин"),
]
COUNTDOWNS = st.sampled_from(["{} minutes left", "Осталось {} минут", "Осталось: {} мин.", "{} минут қалды"])


def algorithms(time: str, minutes_left: int | None) -> Lesson:
    return Lesson("Algorithms", "A. Teacher", time, minutes_left)


class TestCard:
    def test_as_the_portal_shows_it(self) -> None:
        """Course, teacher, hours and countdown are one line each; the countdown does not identify the lesson."""
        lesson, own = parse_card([*CARD, "12 minutes left"])
        assert lesson == Lesson("Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)", 12)
        assert own == CARD

    @pytest.mark.parametrize(
        ("countdown", "minutes"),
        [
            (["12 minutes left"], 12),
            (["Осталось 7 минут"], 7),
            (["3 минут қалды"], 3),
            (["Осталось", "1 минута"], 1),
            (["Осталось меньше минуты"], None),
            ([], None),
            (["Осталось 1 ч 5 мин"], 65),
            (["1 сағат 20 минут қалды"], 80),
            (["Қалған уақыт: 4 мин"], 4),
            (["ends in 04:32"], 4),
            (["Осталось: 01:04:59"], 64),
            (["40 сек"], 1),
            (["0 minutes left"], 0),
            (["⏳ 12"], 12),
        ],
    )
    def test_countdown(self, countdown: list[str], minutes: int | None) -> None:
        """The countdown is read in three languages, and may be missing."""
        lesson, own = parse_card([*CARD, *countdown])
        assert (lesson.minutes_left, own) == (minutes, CARD)

    @pytest.mark.parametrize(
        "time", ["Л27 (15:00 - 16:00)", "(15:00-16:00)", "П3 ( 9:00 – 9:50 )", "Lab 2 (09:00 - 10:50) room 5"]
    )
    def test_hours(self, time: str) -> None:
        """The line with the hours is recognized with either dash and with other text beside them."""
        lesson, _ = parse_card(["Algorithms", "A. Teacher", time, "12 minutes left"])
        assert (lesson.time, lesson.minutes_left) == (time, 12)

    def test_several_teachers(self) -> None:
        """All lines between course and hours are teachers."""
        lesson, own = parse_card(["Algorithms", "A. Teacher", "B. Teacher", "Л27 (15:00 - 16:00)", "12 minutes left"])
        assert (lesson.teacher, lesson.minutes_left, len(own)) == ("A. Teacher, B. Teacher", 12, 4)

    def test_no_teacher(self) -> None:
        """A card may have no teacher, or only hours."""
        own = ["Algorithms", "Л27 (15:00 - 16:00)"]
        assert parse_card(own) == (Lesson("Algorithms", "", "Л27 (15:00 - 16:00)"), own)
        assert parse_card(own[1:]) == (Lesson("", "", "Л27 (15:00 - 16:00)"), own[1:])

    @pytest.mark.parametrize(
        ("lines", "lesson"),
        [
            ([], Lesson("", "", "")),
            (["Algorithms"], Lesson("Algorithms", "", "")),
            (["Algorithms", "A. Teacher", "third lesson"], Lesson("Algorithms", "A. Teacher", "third lesson")),
        ],
    )
    def test_no_hours(self, lines: list[str], lesson: Lesson) -> None:
        """A card without hours is a lesson with the lines that it has."""
        assert parse_card(lines) == (lesson, lines)

    @pytest.mark.parametrize(
        ("lines", "lesson"),
        [
            (["12 minutes left", *CARD], algorithms(CARD[2], 12)),
            ([CARD[2], *CARD[:2], "12 minutes left"], algorithms(CARD[2], 12)),
            ([*CARD[:2], "Л3 10:00-10:50", "5 мин"], algorithms("Л3 10:00-10:50", 5)),
            ([*CARD[:2], "Л3 10:00–10:50, осталось 5 мин."], algorithms("Л3 10:00–10:50", 5)),
            ([*CARD[:2], "Л3 с 10.00 до 10.50 (ещё 5 минут)"], algorithms("Л3 с 10.00 до 10.50", 5)),
            ([*CARD[:2], "Осталось 12 минут"], algorithms("", 12)),
            ([*CARD[:2], "12"], algorithms("", 12)),
            (["Отметка", CARD[2], *CARD[:2]], Lesson("Отметка", "Algorithms", CARD[2])),
            (["Отметка", *CARD], Lesson("Отметка", "Algorithms, A. Teacher", CARD[2])),
            (
                ["Algorithms, A. Teacher, 10:00-10:50, ends in 4:59"],
                Lesson("", "", "Algorithms, A. Teacher, 10:00-10:50", 4),
            ),
            (["12 minutes left"], Lesson("12 minutes left", "", "", 12)),
            ([*CARD[:2], "Закроется через минуту"], algorithms("", None)),
            ([*CARD[:2], "less than a minute left"], algorithms("", None)),
            (["Closes 2", "A. Teacher", CARD[2]], Lesson("Closes 2", "A. Teacher", CARD[2])),
            (
                ["Introduction to Physics in 2 parts", "I. Remains", CARD[2]],
                Lesson("Introduction to Physics in 2 parts", "I. Remains", CARD[2]),
            ),
        ],
    )
    def test_other_labels(self, lines: list[str], lesson: Lesson) -> None:
        """The countdown is found anywhere in a label, and never belongs to the lesson's text."""
        assert parse_card(lines)[0] == lesson

    @given(st.permutations(["Algorithms", "A. Teacher", "Л3 10:00-10:50"]), st.integers(0, 3), st.data())
    def test_what_ticks_does_not_change_the_key(self, lines: list[str], at: int, data: st.DataObject) -> None:
        """In a label of any order, with the countdown anywhere, as a line or beside other text, the key stays."""
        wording, own_line = data.draw(st.sampled_from(TICKING)), data.draw(st.booleans())
        keys = set()
        for left in (59, *data.draw(st.lists(st.integers(0, 59), min_size=1, max_size=4))):
            ticking = wording.format(left, f"{left:02}")
            shown = [*lines[:at], ticking, *lines[at:]]
            if not own_line and at:
                shown = [*lines[: at - 1], f"{lines[at - 1]}, {ticking}", *lines[at:]]
            keys.add(parse_card(shown)[0].identified(PORTAL, "a", MONDAY).key)
        assert len(keys) == 1

    @given(LINES, st.lists(LINES, max_size=3), st.integers(0, 999), COUNTDOWNS, st.integers(0, 999))
    def test_countdown_is_no_part_of_the_lesson(
        self, subject: str, teachers: list[str], minutes: int, countdown: str, later: int
    ) -> None:
        """A card with another countdown is the same lesson."""
        lines = [subject, *teachers, "Л27 (15:00 - 16:00)"]
        now, own = parse_card([*lines, countdown.format(minutes)])
        then, _ = parse_card([*lines, f"{later} minutes left"])
        bare, _ = parse_card(lines)
        assert (now.minutes_left, then.minutes_left, bare.minutes_left) == (minutes, later, None)
        assert own == [" ".join(line.split()) for line in lines]
        assert len({each.identified(PORTAL, "a", MONDAY).key for each in (now, then, bare)}) == 1

    @given(st.lists(st.text(max_size=20), max_size=6))
    def test_any_card(self, lines: list[str]) -> None:
        """Any text on a card is parsed without an error."""
        lesson, own = parse_card(lines)
        assert all(any(piece in " ".join(line.split()) for line in lines) for piece in own)
        assert lesson.describe() == lesson.describe().strip()

    @given(LINES, LINES)
    def test_white_space(self, subject: str, teacher: str) -> None:
        """White space does not change the lesson."""
        plain = parse_card([" ".join(subject.split()), " ".join(teacher.split()), "Л27 (15:00 - 16:00)"])
        spaced = parse_card([f"  {subject}\u00a0", f"\n{teacher} ", " Л27  (15:00 - 16:00)"])
        assert spaced == plain


class TestIdentity:
    LESSON = Lesson("Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)", 12)

    def test_key(self) -> None:
        """The key fits into a button's data and does not change between versions of the program."""
        key = self.LESSON.identified(PORTAL, "a_student", MONDAY).key
        assert re.fullmatch(r"[0-9a-f]{16}", key)
        assert key == "66a782ec600cf1d5"

    def test_rounds(self) -> None:
        """Each round of a day has its own key; the first one has the key of versions that knew no rounds."""
        keys = {self.LESSON.identified(PORTAL, "a_student", MONDAY, number).key for number in (1, 2, 3, 11)}
        assert len(keys) == 4
        assert "66a782ec600cf1d5" in keys

    def test_every_part_counts(self) -> None:
        """Another portal, student, day, subject, teacher or hour gives another key."""
        keys = {
            lesson.identified(portal, account, day).key
            for lesson in (
                self.LESSON,
                Lesson("Physics", "A. Teacher", "Л27 (15:00 - 16:00)"),
                Lesson("Algorithms", "B. Teacher", "Л27 (15:00 - 16:00)"),
                Lesson("Algorithms", "A. Teacher", "Л28 (16:00 - 17:00)"),
            )
            for portal in (PORTAL, "https://pge.kbtu.kz/RegistrationOnline")
            for account in ("a_student", "b_student")
            for day in (MONDAY, date(2026, 9, 14))
        }
        assert len(keys) == 4 * 2 * 2 * 2

    def test_parts_do_not_run_together(self) -> None:
        """Words that move from one field to the next give another key."""
        one = Lesson("Algorithms A", "Teacher", "Л27 (15:00 - 16:00)").identified(PORTAL, "a", MONDAY)
        other = Lesson("Algorithms", "A Teacher", "Л27 (15:00 - 16:00)").identified(PORTAL, "a", MONDAY)
        assert one.key != other.key

    def test_description(self) -> None:
        """The description is subject, teacher and hours, one line each, without the countdown."""
        assert self.LESSON.describe() == "Algorithms\nA. Teacher\nЛ27 (15:00 - 16:00)"
        assert Lesson("Algorithms", "", "").describe() == "Algorithms"
