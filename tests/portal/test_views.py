"""Deciding the view: the first fact that matches decides."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.lessons import Lesson
from portal.views import Reading, View, decide

pytestmark = pytest.mark.unit


LESSON = Lesson("Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)", 12)
LINES = ["Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)", "12 minutes left"]
Facts = dict[str, Any]


def card(lines: list[str] = LINES, enabled: bool = True) -> Facts:
    return with_buttons(("Отметиться" if enabled else "Отмечен", enabled), lines=lines)


def with_buttons(*buttons: tuple[str, bool], lines: list[str] = LINES) -> Facts:
    """Return a card with these buttons: captions, and whether each is enabled."""
    return {"lines": lines, "buttons": [{"caption": caption, "enabled": enabled} for caption, enabled in buttons]}


def form(*buttons: str, passwords: int = 1, user: bool = True, texts: int = 1) -> Facts:
    """Return a part of the page that asks for passwords."""
    return {"user": user, "inputs": ["text"] * texts + ["password"] * passwords, "buttons": list(buttons)}


def page(**facts: Any) -> Facts:
    """Return the result of page.js for a ready page without any known content, except for these facts."""
    return {
        "left": False,
        "status": 200,
        "broken": False,
        "system": None,
        "reconnecting": False,
        "foreign": None,
        "slowest": 0.0,
        "ready": True,
        "refusal": None,
        "form": None,
        "blocked": None,
        "cards": [],
        "labels": [],
        **facts,
    }


# In the order of their priority: facts, view, the portal's text.
ROWS: list[tuple[Facts, View, str]] = [
    ({"left": True}, View.LOADING, ""),  # a document that is being left shows old content
    ({"status": 503}, View.DOWN, "HTTP 503 Service Unavailable"),
    ({"broken": True}, View.DOWN, "the address can't be loaded"),
    ({"system": "Время сеанса истекло"}, View.SESSION_LOST, "Время сеанса истекло"),
    ({"reconnecting": True}, View.COMMUNICATION, ""),
    ({"ready": False}, View.LOADING, ""),
    ({"refusal": "Неверный логин или пароль."}, View.REFUSED, "Неверный логин или пароль."),
    ({"form": form("Вход")}, View.LOGIN, ""),
    ({"blocked": "Пайдаланушы бұғатталған."}, View.BLOCKED, "Пайдаланушы бұғатталған."),
    ({"cards": [card()]}, View.OPEN, ""),
    ({"labels": ["Нет доступных дисциплин"]}, View.NOTHING, ""),
    ({}, View.UNKNOWN, ""),
]
NAMES = [f"{view.name}-{number}" for number, (_, view, _) in enumerate(ROWS)]


class TestOrder:
    @pytest.mark.parametrize(("facts", "view", "text"), ROWS, ids=NAMES)
    def test_one_fact(self, facts: Facts, view: View, text: str) -> None:
        """Each fact alone gives its view, with the portal's text."""
        reading = decide(page(**facts))
        assert (reading.view, reading.text) == (view, text)

    @pytest.mark.parametrize(
        ("first", "second"),
        list(combinations(ROWS, 2)),
        ids=["-over-".join(pair) for pair in combinations(NAMES, 2)],
    )
    def test_two_facts(self, first: tuple[Facts, View, str], second: tuple[Facts, View, str]) -> None:
        """Of two facts the one higher in the list decides."""
        reading = decide(page(**{**second[0], **first[0]}))
        assert (reading.view, reading.text) == (first[1], first[2])

    @given(st.lists(st.booleans(), min_size=len(ROWS) - 1, max_size=len(ROWS) - 1))
    def test_any_facts(self, there: list[bool]) -> None:
        """Of any number of facts the first one decides, and there is always a view."""
        chosen = [row for row, is_there in zip(ROWS, there, strict=False) if is_there] + ROWS[-1:]
        facts: Facts = {}
        for row in reversed(chosen):
            facts |= row[0]
        assert decide(page(**facts)).view is chosen[0][1]


class TestTexts:
    @pytest.mark.parametrize("caption", ["Проблема со связью", "Проблема аутентификации", "something new", ""])
    def test_other_notifications(self, caption: str) -> None:
        """A system notification about anything but the session's time is a communication problem."""
        assert decide(page(system=caption)) == Reading(View.COMMUNICATION, caption)

    def test_expired_session_in_other_letters(self) -> None:
        """The text of an expired session is recognized in any case and within other text."""
        assert decide(page(system="ВНИМАНИЕ! время сеанса истекло.")).view is View.SESSION_LOST

    @pytest.mark.parametrize(
        "label",
        [
            "Нет доступных дисциплин",
            "НЕТ ДОСТУПНЫХ ДИСЦИПЛИН",
            "  Нет доступных дисциплин. ",
            "Қолжетімді пәндер жоқ",
            "No available disciplines",
        ],
    )
    def test_nothing_open(self, label: str) -> None:
        """ "No lesson is open" is recognized in the portal's three languages, beside other labels."""
        assert decide(page(labels=["Attendance", label])).view is View.NOTHING

    @pytest.mark.parametrize("labels", [[], [""], ["Attendance"], ["доступных дисциплин"]])
    def test_no_button_is_not_nothing(self, labels: list[str]) -> None:
        """A page with neither a card nor the text for "no lesson is open" is unknown."""
        assert decide(page(labels=labels)) == Reading(View.UNKNOWN)

    @pytest.mark.parametrize(("status", "view"), [(0, View.NOTHING), (200, View.NOTHING), (500, View.DOWN)])
    def test_status(self, status: int, view: View) -> None:
        """A server error means down; a browser that does not report the status changes nothing."""
        assert decide(page(status=status, labels=["Нет доступных дисциплин"])).view is view

    def test_empty_text(self) -> None:
        """An error window without text is recognized."""
        assert decide(page(refusal="")).view is View.REFUSED
        assert decide(page(blocked="")).view is View.BLOCKED


class TestCards:
    def test_marked(self) -> None:
        """With disabled buttons only, the view is "marked", also if a label says that no lesson is open."""
        reading = decide(page(cards=[card(enabled=False)], labels=["Нет доступных дисциплин"]))
        assert (reading.view, [each.lesson for each in reading.cards]) == (View.MARKED, [LESSON])

    def test_one_of_two_open(self) -> None:
        """With one enabled button the view is "open", and each card has its own state."""
        physics = ["Physics", "B. Teacher", "П3 (15:00 - 16:00)"]
        reading = decide(page(cards=[card(enabled=False), card(physics)]))
        assert reading.view is View.OPEN
        assert [(each.lesson.subject, each.enabled, each.caption) for each in reading.cards] == [
            ("Algorithms", False, "Отмечен"),
            ("Physics", True, "Отметиться"),
        ]

    def test_lines_without_the_countdown(self) -> None:
        """A card's lines do not include the countdown."""
        (found,) = decide(page(cards=[card()])).cards
        assert found.lines == ("Algorithms", "A. Teacher", "Л27 (15:00 - 16:00)")

    def test_card_of_a_lesson(self) -> None:
        """A lesson's card is found whatever its countdown, and no other lesson's card."""
        reading = decide(page(cards=[card(["Physics", *LINES[1:]]), card([*LINES[:3], "Осталось 3 минуты"])]))
        found = reading.card(LESSON)
        assert found is not None
        assert (found.lesson.subject, found.lesson.minutes_left) == ("Algorithms", 3)
        assert reading.card(Lesson("Algorithms", "A. Teacher", "Л28 (16:00 - 17:00)")) is None


class TestKnownButtons:
    @pytest.mark.parametrize(
        "caption", ["Отметиться", "  ОТМЕТИТЬСЯ ", "Белгілену", "Mark attendance", "\uf00c Отметиться"]
    )
    @pytest.mark.parametrize("before", [True, False])
    def test_another_button_in_a_card(self, caption: str, before: bool) -> None:
        """The button with the known words is the card's, in any case, wherever another button stands."""
        buttons = [("Подробнее", True), (caption, True)]
        reading = decide(page(cards=[with_buttons(*(buttons if before else reversed(buttons)))]))
        assert reading.view is View.OPEN
        assert [(each.caption, each.enabled) for each in reading.cards] == [(caption, True)]

    @pytest.mark.parametrize("caption", ["Отмечен", "Marked", "Белгіленді"])
    @pytest.mark.parametrize("enabled", [True, False])
    def test_marked_beside_another_button(self, caption: str, enabled: bool) -> None:
        """A card with the known words for a mark is marked, also beside an enabled button."""
        reading = decide(page(cards=[with_buttons(("Подробнее", True), (caption, enabled))]))
        assert reading.view is View.MARKED
        assert reading.cards[0].caption == caption

    def test_disabled_buttons_are_a_mark(self) -> None:
        """A card whose only button is disabled is marked, whatever its words."""
        assert decide(page(cards=[with_buttons(("Готово", False))])).view is View.MARKED

    @pytest.mark.parametrize("caption", ["Подробнее", "Отменить отметку", "Не отметиться", "Отметиться позже", ""])
    def test_no_known_button(self, caption: str) -> None:
        """A card without a known button is an unknown view that names its caption; nothing of it can be pressed."""
        reading = decide(page(cards=[with_buttons((caption, True))]))
        assert (reading.view, reading.cards) == (View.UNKNOWN, ())
        assert caption in reading.text
        assert [each.enabled for each in reading.strange] == [False]

    def test_unknown_card_beside_a_known_one(self) -> None:
        """The known cards of a page are read although another one is unknown."""
        physics = with_buttons(("Зачесть", True), lines=["Physics", *LINES[1:]])
        reading = decide(page(cards=[physics, card()]))
        assert (reading.view, [each.lesson.subject for each in reading.cards]) == (View.OPEN, ["Algorithms"])
        assert [(each.lesson.subject, each.caption) for each in reading.strange] == [("Physics", "Зачесть")]

    def test_heading_without_a_lesson(self) -> None:
        """A page that says that no lesson is open is believed, although something on it looks like a card."""
        assert (
            decide(page(cards=[with_buttons(("Главная", True))], labels=["Нет доступных дисциплин"])).view
            is View.NOTHING
        )


class TestForms:
    @pytest.mark.parametrize("caption", ["Вход", "ВОЙТИ", "Кіру", "Log in", "Sign in"])
    def test_sign_in(self, caption: str) -> None:
        """The sign-in form has a user name, one password and a button of known words beside any other."""
        assert decide(page(form=form("Восстановить пароль", caption))) == Reading(View.LOGIN)

    @pytest.mark.parametrize("buttons", [[], ["Восстановить пароль"], ["Forgot?", "Вход без пароля"]])
    def test_sign_in_without_a_known_button(self, buttons: list[str]) -> None:
        """A sign-in form without a known button is an unknown view."""
        assert decide(page(form=form(*buttons))).view is View.UNKNOWN

    @pytest.mark.parametrize("passwords", [2, 3])
    def test_password_expired(self, passwords: int) -> None:
        """Several password fields and no user field: the portal wants a new password, in its words."""
        text = "Срок действия пароля истёк. Задайте новый."
        reading = decide(page(form=form("Сохранить", passwords=passwords, user=False, texts=0), labels=["KBTU", text]))
        assert reading == Reading(View.PASSWORD_EXPIRED, text)
        assert decide(page(form=form(passwords=passwords, user=False, texts=0))) == Reading(View.PASSWORD_EXPIRED)

    def test_password_alone(self) -> None:
        """One password field without a user field is unknown, unless the page says that a new password is wanted."""
        alone = form("Сохранить", user=False, texts=0)
        assert decide(page(form=alone)).view is View.UNKNOWN
        assert decide(page(form=alone, labels=["Your password has expired"])).view is View.PASSWORD_EXPIRED

    def test_another_form(self) -> None:
        """Two passwords with a text field may be a registration: unknown."""
        assert decide(page(form=form("Вход", passwords=2, texts=1))).view is View.UNKNOWN


class TestForeignPages:
    @pytest.mark.parametrize(
        ("status", "title", "text"),
        [
            (200, "Технические работы", "Технические работы"),
            (404, "", "HTTP 404 Not Found"),
            (403, "Nope", "HTTP 403 Forbidden Nope"),
            (200, "", ""),
        ],
    )
    def test_what_it_is(self, status: int, title: str, text: str) -> None:
        """A page that is not the portal's is described by its status and title, and never waited for."""
        reading = decide(page(status=status, foreign=title, ready=False, form=form("Вход")))
        assert (reading.view, reading.text) == (View.NOT_PORTAL, text)

    def test_server_error_with_a_page(self) -> None:
        """A server error stays "down", with the title of its page."""
        reading = decide(page(status=502, foreign="nginx"))
        assert (reading.view, reading.text, reading.status) == (View.DOWN, "HTTP 502 Bad Gateway nginx", 502)
