"""Which button of a window may be pressed."""

from typing import Any, cast

import pytest
from selenium.webdriver.remote.webelement import WebElement

from portal.windows import Window

pytestmark = pytest.mark.unit

CROSS = cast(WebElement, "cross")


def window(*captions: str, error: bool = False, fields: bool = False, cross: WebElement | None = CROSS) -> Window:
    """Return a window whose buttons are their own captions."""
    return Window("words", error, fields, [(caption, cast(Any, caption)) for caption in captions], cross)


@pytest.mark.parametrize(
    "caption",
    [
        "Да",
        "ДА",
        " да ",
        "Ок",
        "OK",
        "Подтвердить",
        "Да, подтвердить",
        "Отметиться",
        "Иә",
        "Растау",
        "Иә, растау",
        "Yes",
        "Confirm",
        "Yes, check in",
        "YES,  CHECK IN!",
        "\uf00c Да",
        "Check in",
        "Yes, I confirm",
    ],
)
def test_confirms(caption: str) -> None:
    """An affirmative word of each language is pressed, whatever its case, spaces, signs and icon."""
    assert window("Отмена", caption).affirmative() == caption
    assert window(caption, "Cancel").affirmative() == caption


@pytest.mark.parametrize(
    "captions",
    [
        ("Отмена",),
        ("Нет", "Отмена"),
        ("Да", "Подтвердить"),
        ("Не подтверждать", "Отмена"),
        ("Да, отменить", "Нет"),
        ("Don't confirm", "Cancel"),
        ("Okayama",),
        ("Подтвердить позже",),
        (),
    ],
)
def test_never_guesses(captions: tuple[str, ...]) -> None:
    """With no affirmative button, or two, nothing is pressed."""
    assert window(*captions).affirmative() is None


def test_something_to_fill_in() -> None:
    """A window that asks for more than a yes, such as a code, is neither confirmed nor closed."""
    assert window("OK", fields=True).affirmative() is None
    assert window("OK", fields=True).closing() is None


def test_closing() -> None:
    """Errors and messages are closed by their cross, else by a button that only closes; questions are not closed."""
    assert window(error=True).closing() == CROSS
    assert window("OK", error=True, cross=None).closing() == "OK"
    assert window("Закрыть", "Ещё раз", error=True, cross=None).closing() == "Закрыть"
    assert window("Закрыть").closing() == CROSS
    assert window().closing() == CROSS
    assert window(error=True, cross=None).closing() is None
    assert window("Да", "Нет").closing() is None
    assert window("Заполнить", "Позже").closing() is None
