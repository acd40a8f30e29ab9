"""Takes the README's pictures of chats, from two runs of the sandbox: `python -m tools.chat_pictures`."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from portal.driver import find_programs
from tests import children  # ends what it started also if this process is killed
from tests.e2e.people import Person, Telegram, code_in
from tests.waiting import PATIENCE

DOCS = Path(__file__).resolve().parent.parent / "docs"
# Scrolls a chat to its end. Returns the height of the window in which the chat shows the messages from one that begins
# with a text to the last; null while that message, a text further down, or an image is missing.
FIT = """
const [list, begin, end] = [arguments[0].querySelector(".messages"), arguments[1], arguments[2]];
const bubbles = [...list.children], first = bubbles.findLast((each) => each.innerText.startsWith(begin));
const loaded = [...list.querySelectorAll("img")].every((each) => each.complete && each.naturalWidth);
if (!first || !loaded || !list.innerText.includes(end)) return null;
list.scrollTop = list.scrollHeight;
const margins = first === bubbles[0] ? 20 : 13;
const height = bubbles.at(-1).getBoundingClientRect().bottom - first.getBoundingClientRect().top + margins;
return innerHeight + Math.ceil(height) - list.clientHeight;
"""


class Phone(Person):
    """A person of the sandbox, and the chat's column on its page."""

    def __init__(self, telegram: Telegram, driver: webdriver.Chrome, about: dict[str, Any]) -> None:
        super().__init__(telegram, about["id"], about["name"], bot=about["bot"])
        self.about, self._driver = about, driver

    def pictured(self, file: str, begin: str, end: str, width: int = 1560, scale: float = 1.5) -> None:
        """Take a picture of the messages from one that begins with a text to the last, once it shows another text."""
        column = self._driver.find_element("css selector", f'[data-person="{self.about["name"]}"]')
        size = {"width": width, "height": 900, "deviceScaleFactor": scale, "mobile": False}

        def fits(driver: webdriver.Chrome) -> bool:
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            shown, height = driver.execute_script("return innerHeight"), driver.execute_script(FIT, column, begin, end)
            size["height"] = height or size["height"]
            return bool(height == shown)

        WebDriverWait(self._driver, PATIENCE).until(fits, f"{file}: {begin!r} to {end!r}")
        column.screenshot(str(DOCS / file))


def main() -> None:
    """Take all pictures."""
    with running() as (url, (admin, student, _)):
        play_marker(url, admin, student)
    with running("--classroom") as (_url, (teacher, student, outside)):
        play_class(teacher, student, outside)


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[tuple[str, list[Phone]]]:
    """Run the sandbox and a Chrome that shows its page."""
    chrome, driver_path = find_programs()
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    with contextlib.ExitStack() as stack:
        profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        children.own_profiles(Path(profile))
        command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
        sandbox = children.start(command, stdout=subprocess.PIPE, text=True)
        stack.callback(sandbox.communicate, timeout=PATIENCE)
        stack.callback(sandbox.terminate)
        service = Service(driver_path, env={**os.environ, "ATTENDANCE_PROFILE": profile})
        driver = webdriver.Chrome(options=options, service=service)
        stack.callback(driver.quit)
        assert sandbox.stdout is not None  # noqa: S101  # for the type checker: the pipe was asked for
        url = next(line.split()[1] for line in sandbox.stdout if line.startswith("Open http")).rstrip("/")
        driver.get(url)
        telegram = Telegram(url)
        telegram.http.base_url = httpx.URL(f"{url}/telegram")  # where the page's server has the control API
        stack.callback(telegram.http.close)
        people = httpx.get(f"{url}/api/sandbox", trust_env=False).json()["people"]
        yield url, [Phone(telegram, driver, about) for about in people]


def play_marker(url: str, admin: Phone, student: Phone) -> None:
    """Register a student, start monitoring, open a lesson."""
    admin.says("/start")
    admin.taps("Admin Panel")
    admin.taps("Generate Invitation Code")
    student.says(f"/start {code_in(admin.sees('Invitation code:')['text'])}")
    for question, part in (("your username on the portal", "username"), ("your portal password", "password")):
        student.sees(question)
        student.says(student.about["login"][part])
    student.taps("Start Monitoring")
    student.sees("on since")
    lesson = {"subject": "Algorithms and Data Structures", "teacher": "Akhmetov B.", "time": "Л27 (15:00 - 16:00)"}
    httpx.post(f"{url}/portal/lessons", json=lesson, trust_env=False).raise_for_status()
    student.pictured("chat.png", "/start", "Attendance Marked.", width=1500, scale=2)


def play_class(teacher: Phone, student: Phone, outside: Phone) -> None:
    """Open a session, let one student check in at the place and one just outside, accept both, close the session."""
    teacher.says("/start")
    teacher.sees("Share your phone number")
    teacher.sends(contact={"phone_number": teacher.about["phone"]})
    for label in ("Take Attendance", "CS-101", "Next"):
        teacher.taps(label)
    teacher.sees("Share your location")
    teacher.sends(location=teacher.about["place"])
    code = teacher.sees("?start=")["text"].partition("?start=")[2].split()[0]
    for phone, student_id in ((student, "S001"), (outside, "S002")):
        phone.says(f"/start {code}")
        phone.sees("student ID")
        phone.says(student_id)
        phone.sees("The code is right")
        phone.sends(location=phone.about["place"])
    student.taps("Without My Face")
    teacher.sees("just outside (70 m)")
    teacher.pictured("pictures/teacher.png", "Algorithms: CS-101\nCode", "Daniyar (S002): just outside")
    teacher.taps("Without a Face Check (1)")
    teacher.taps("Yes, Confirm These (1)")
    student.pictured("pictures/student.png", "/start", "Recorded.")
    teacher.taps("Check One by One")
    teacher.taps("Accept Daniyar")
    teacher.sees("In: 2 of 4")
    teacher.taps("Close Now")
    teacher.pictured("pictures/report.png", "Algorithms: CS-101\nClosed at", "-final.xlsx")


if __name__ == "__main__":
    main()
