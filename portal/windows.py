"""The window or notification on top of the portal's page, and which of its buttons may be pressed.

Buttons are known by their whole caption, in the portal's three languages; an unknown one is never pressed. No
confirmation after a click has been seen on the real portal.
"""

from dataclasses import dataclass

from selenium.webdriver.remote.webelement import WebElement

from portal.words import folded

_OK = {"ок", "ok", "okay", "жарайды"}
_YES = {
    "да": ("подтвердить", "подтверждаю", "отметиться"),
    "иә": ("растау", "растаймын", "белгілену"),
    "yes": ("confirm", "i confirm", "check in", "check me in", "mark attendance"),
}
_AFFIRMATIVE = {*_OK, *(each for yes, acts in _YES.items() for act in acts for each in (yes, act, f"{yes} {act}"))}
_CLOSE = {*_OK, "закрыть", "понятно", "жабу", "түсінікті", "close", "got it"}


@dataclass(frozen=True)
class Window:
    """A window as page.js describes it: ``fields`` are inputs in it, ``cross`` is its close control, if it has one."""

    words: str
    error: bool
    fields: bool
    buttons: list[tuple[str, WebElement]]
    cross: WebElement | None

    def affirmative(self) -> WebElement | None:
        """Return the button that confirms; None unless exactly one does, or where something has to be filled in."""
        found = [button for caption, button in self.buttons if folded(caption) in _AFFIRMATIVE]
        return found[0] if len(found) == 1 and not self.error and not self.fields else None

    def closing(self) -> WebElement | None:
        """Return the control that closes an error or a message; None for a question, which nothing may answer."""
        found = [button for caption, button in self.buttons if folded(caption) in _CLOSE]
        if not self.error and (self.fields or len(found) < len(self.buttons)):
            return None
        return self.cross or next(iter(found), None)
