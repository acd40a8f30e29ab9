"""The phones of the sandbox's page with a keyboard, a screen reader, a small or dark screen, and less motion."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium import webdriver

from tests.sandbox import phone_page
from tests.sandbox.axe import serious_faults
from tests.sandbox.phone_driver import ENTER, ESCAPE, TAB, UP, Handset
from tests.sandbox.phone_page import STUDENT, TEACHER, PhonePage

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.ordeal]

# What is pressed to open each menu and dialog.
SHEETS = ("attach", "attach attach:location", "attach attach:note", "attach attach:photo", "more", "photo")


@contextmanager
def media(driver: webdriver.Chrome, width: int = 1440, **features: str) -> Iterator[None]:
    """Emulate a screen's width and media features, such as `prefers_color_scheme="dark"`."""
    wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        yield
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def fill(page: PhonePage) -> None:
    """Put everything that a chat can show into the student's and the teacher's chats."""
    page.bot("student", "setMyCommands", commands=[{"command": "help", "description": "Help"}])
    page.says(
        "student", STUDENT, "<b>Bold</b> <code>482913</code> <tg-spoiler>hidden</tg-spoiler> /help https://a.example/"
    )
    page.bot(
        "student", "sendPhoto", chat_id=STUDENT, photo=("p.png", phone_page.PIXEL, "image/png"), caption="The code"
    )
    page.bot("student", "sendDocument", chat_id=STUDENT, document=("report.csv", b"x,y", "text/csv"))
    note = {"base64": base64.b64encode(b"x").decode(), "duration": 7}
    place = {"latitude": 43.25, "longitude": 76.95}
    for content in (
        {"contact": {"phone_number": "+77010002001"}},
        {"location": place | {"live_period": 900}},
        {"video_note": note},
        {"text": "A message of mine with a https://link.example/"},
    ):
        sent = page.acts("student", STUDENT, **content)
    reaction = [{"type": "emoji", "emoji": "\N{OK HAND SIGN}"}]
    page.bot("student", "setMessageReaction", chat_id=STUDENT, message_id=sent["message_id"], reaction=reaction)
    edited = page.says("student", STUDENT, "Choose", [["Yes", "No"]])
    rows = phone_page.keyboard([["Yes", "No"], ["Maybe"]])
    page.bot("student", "editMessageText", chat_id=STUDENT, message_id=edited, text="Choose now", reply_markup=rows)
    markup = {"keyboard": [[{"text": "Share location", "request_location": True}]]}
    page.says("student", STUDENT, "Last", reply_markup=markup)
    page.says("marker", STUDENT, "Unread")


@pytest.mark.ordeal
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe(page: PhonePage, student: Handset, driver: webdriver.Chrome, scheme: str, width: int) -> None:
    """axe finds nothing serious in chats, menus and dialogs, in light and dark, on large and small screens."""
    with media(driver, width, prefers_color_scheme=scheme, prefers_reduced_motion="reduce"):
        student.press("chat:student")
        fill(page)
        student.sees("Last")
        student.one('[data-action="chat:marker"] .unread')
        assert serious_faults(driver) == []
        for way in (
            ["attach"],
            ["attach", "attach:location"],
            ["attach", "attach:note"],
            ["attach", "attach:photo"],
            ["more"],
            ["photo"],
        ):
            for action in way:
                student.press(action)
            student.one(".sheet")
            assert serious_faults(driver, student.root) == [], way
            student.keys(ESCAPE)
            student.sees_no(".sheet")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_alert_and_blocked(page: PhonePage, teacher: Handset, driver: webdriver.Chrome, scheme: str) -> None:
    """axe finds nothing serious in an alert, a notice, and the chat with a blocked bot."""
    with media(driver, prefers_color_scheme=scheme, prefers_reduced_motion="reduce"):
        page.says("teacher", TEACHER, "Choose", [["Yes"]])
        teacher.press("inline:Yes")
        (tap,) = teacher.until("a tap", page.taps)
        page.bot("teacher", "answerCallbackQuery", callback_query_id=tap["tap_id"], text="Not now", show_alert=True)
        teacher.one("[role=alertdialog]")
        driver.execute_script("phones.Yerlan.say('A notice')")
        assert serious_faults(driver, teacher.root) == []
        teacher.press("ok")
        page.acts("teacher", TEACHER, "block", blocked=True)
        teacher.button("unblock")
        assert serious_faults(driver, teacher.root) == []


def test_dark(page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
    """In dark mode bubbles are dark and their text is light."""

    def lightness(css: str, name: str) -> float:
        script = (
            "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]].match(/\\d+/g).map(Number)"
        )
        red, green, blue = map(int, driver.execute_script(script, f"{teacher.root} {css}", name)[:3])
        return float(0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255

    page.says("teacher", TEACHER, "Hello")
    teacher.sees("Hello")
    for scheme, is_dark in (("light", False), ("dark", True)):
        with media(driver, prefers_color_scheme=scheme):
            assert (lightness(".bubble.bot .body", "backgroundColor") < 0.4) is is_dark
            assert (lightness(".bubble.bot .words", "color") > 0.6) is is_dark


@pytest.mark.ordeal
def test_touch_targets(page: PhonePage, student: Handset, driver: webdriver.Chrome) -> None:
    """At 390 pixels all that is pressed, except links within a text, is 44 pixels high; the page is no wider."""
    with media(driver, 390):
        student.press("chat:student")
        fill(page)
        student.sees("Last")
        assert too_small(student) == []
        for way in SHEETS:
            for action in way.split():
                student.press(action)
            student.one(".sheet")
            assert too_small(student) == [], way
            student.keys(ESCAPE)
            student.sees_no(".sheet")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390


def too_small(phone: Handset) -> list[str]:
    script = """
        const within = /^(command:|link:|copy|spoiler)/, root = document.querySelector(arguments[0]);
        return [...root.querySelectorAll("[data-action]")].filter((each) => each.checkVisibility()
            && !(within.test(each.dataset.action) && each.closest(".words")) && each.offsetHeight < 44)
            .map((each) => `${each.dataset.action} ${each.offsetHeight}`);
    """
    return list(phone.driver.execute_script(script, phone.root))


def test_less_motion(page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
    """Who asks for less motion gets no animation."""
    with media(driver, prefers_reduced_motion="reduce"):
        page.says("teacher", TEACHER, "Hello", [["Yes"]])
        teacher.press("inline:Yes")
        teacher.one(".inline[aria-busy=true]")
        names = "return [...document.querySelectorAll('.phone *')].map((e) => getComputedStyle(e).animationName)"
        assert set(driver.execute_script(names)) == {"none"}


def test_keyboard(page: PhonePage, driver: webdriver.Chrome) -> None:
    """A person starts a chat, answers, presses a button and opens a menu with nothing but keys."""
    phone = Handset(driver, "Yerlan")
    phone.button("start")
    driver.execute_script(f"document.querySelector('{phone.root} .messages').focus()")
    phone.keys(TAB)
    assert phone.focused == "start"
    phone.keys(ENTER)
    phone.sees("/start")
    phone.focuses("message")
    phone.keys("hello", ENTER)
    phone.sees("hello")
    page.says("teacher", TEACHER, "Choose", [["Yes", "No"]])
    phone.button("inline:No")
    driver.execute_script(f"document.querySelector('{phone.root} .messages').focus()")
    phone.keys(TAB, TAB, TAB)  # the command in the first message, the two buttons
    assert phone.focused == "inline:No"
    phone.keys(ENTER)
    (tap,) = phone.until("a tap", page.taps)
    assert tap["label"] == "No"
    assert phone.focused == "inline:No", "a busy button lost the focus"
    driver.execute_script(f"document.querySelector('{phone.root} [data-action=attach]').focus()")
    phone.keys(ENTER)
    phone.focuses("attach:location")
    phone.keys(UP)
    phone.focuses("attach:file")
    phone.keys(ESCAPE)
    phone.focuses("attach")


def test_roles_and_names(page: PhonePage, student: Handset, driver: webdriver.Chrome) -> None:
    """A phone is a region named after its person, its chats are tabs, its messages articles of a log."""
    page.says("student", STUDENT, "Hello")
    student.press("chat:student")
    region = driver.find_element("css selector", student.root)
    assert (region.aria_role, region.accessible_name) == ("region", "Aruzhan, student")
    tab = student.button("chat:student")
    assert (tab.aria_role, tab.get_attribute("aria-selected")) == ("tab", "true")
    assert student.one(".messages").aria_role == "log"
    bubble = student.sees("Hello")
    assert bubble.aria_role == "article"
    assert bubble.accessible_name.startswith("Student, ")
    names = {each.get_attribute("data-action"): each.accessible_name for each in student.all(".composer [data-action]")}
    assert {"message": "Message", "attach": "Attach", "send": "Send"}.items() <= names.items()
