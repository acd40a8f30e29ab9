"""Draws docs/chat.png, a student's chat in the sandbox up to a mark: `python tools/chat_picture.py`."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BOT, ADMIN, STUDENT = "attendance_sandbox_bot", 1001, 2001


def main() -> None:
    """Play the scene and take the picture."""
    from portal.programs import find_programs

    sandbox = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    chrome, driver_path = find_programs()
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1500,1000", "--force-device-scale-factor=2"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        assert sandbox.stdout is not None  # noqa: S101  # for the type checker: the pipe was asked for
        url = next(line.split()[1] for line in sandbox.stdout if line.startswith("Open http")).rstrip("/")
        driver.get(url)
        play(httpx.Client(base_url=url, timeout=60))
        column = driver.find_element(By.CSS_SELECTOR, '[data-person="Aruzhan"]')
        WebDriverWait(driver, 30).until(lambda _: "Attendance Marked." in column.text)
        (ROOT / "docs").mkdir(exist_ok=True)
        column.screenshot(str(ROOT / "docs" / "chat.png"))
    finally:
        driver.quit()
        sandbox.terminate()
        sandbox.wait(60)


def play(http: httpx.Client) -> None:
    """Register a student, start monitoring, open a lesson."""

    def says(person: int, text: str) -> None:
        http.post("/telegram/send", json={"bot": BOT, "person": person, "text": text}).raise_for_status()

    def waits(person: int, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        version: int | None = None
        while True:
            more: dict[str, Any] = {} if version is None else {"since": version, "timeout": 20}
            chat = http.get("/telegram/chat", params={"bot": BOT, "person": person, **more}).json()
            version = chat["version"]
            for message in reversed(chat["messages"]):
                if message["from"] == "bot" and until(message):
                    found: dict[str, Any] = message
                    return found

    def taps(person: int, label: str) -> None:
        message = waits(person, lambda m: any(b["text"] == label for row in m["buttons"] or [] for b in row))
        body = {"bot": BOT, "person": person, "message_id": message["message_id"], "button": label}
        http.post("/telegram/tap", json=body).raise_for_status()

    def sees(person: int, text: str) -> str:
        return str(waits(person, lambda m: text in (m["text"] or ""))["text"])

    says(ADMIN, "/start")
    taps(ADMIN, "Admin Panel")
    taps(ADMIN, "Generate Invitation Code")
    link = sees(ADMIN, "Invitation code:").split()[-1]
    says(STUDENT, f"/start {link.rpartition('=')[2]}")
    for question, answer in (("your username on the portal", "a_student"), ("your portal password", "portal-1")):
        sees(STUDENT, question)
        says(STUDENT, answer)
    sees(STUDENT, "Registration complete!")
    taps(STUDENT, "Start Monitoring")
    sees(STUDENT, "on since")
    lesson = {"subject": "Algorithms and Data Structures", "teacher": "Akhmetov B.", "time": "Л27 (15:00 - 16:00)"}
    http.post("/portal/lessons", json=lesson).raise_for_status()
    sees(STUDENT, "Attendance Marked.")


if __name__ == "__main__":
    main()
