"""The baseline: a plain Selenium script. Frozen: this file is never tuned.

Full Chromium with `--headless=new` and common flags, a fixed sleep after each step, a page load every 20 seconds,
the button found by its caption. One thread and one Chrome for each student.

`python -m benchmarks.baseline URL STUDENTS [SECONDS BETWEEN LOADS]` runs until it is terminated.
"""

import shutil
import signal
import sys
import threading
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys


def watch(url: str, username: str, password: str, between_loads: float) -> None:
    """Sign a student in and mark every lesson that opens, without end."""
    options = Options()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument("--window-size=1920,1080")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.get(url)
    time.sleep(5)
    while True:
        try:
            if driver.find_elements(By.CSS_SELECTOR, "input[type=password]"):
                sign_in(driver, username, password)
            for button in driver.find_elements(By.CSS_SELECTOR, ".v-button"):
                if button.text.strip() in ("Отметиться", "Белгілену"):
                    button.click()
                    time.sleep(3)
                    break
        except WebDriverException as error:
            print(username, type(error).__name__, flush=True)
        time.sleep(between_loads)
        driver.get(url)
        time.sleep(5)


def sign_in(driver: webdriver.Chrome, username: str, password: str) -> None:
    """Fill in the form, with fixed pauses."""
    field = driver.find_element(By.CSS_SELECTOR, "input.v-filterselect-input")
    field.clear()
    field.send_keys(username)
    time.sleep(1)
    field.send_keys(Keys.TAB)
    time.sleep(1)
    driver.find_element(By.CSS_SELECTOR, "input[type=password]").send_keys(password)
    time.sleep(1)
    driver.find_element(By.CSS_SELECTOR, ".v-button-primary").click()
    time.sleep(5)


def main() -> None:
    """Start a thread for each student and wait for SIGTERM."""
    url, students = sys.argv[1], int(sys.argv[2])
    between_loads = float(sys.argv[3]) if len(sys.argv) > 3 else 20.0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for number in range(students):
        arguments = (url, f"student_{number}", f"password-{number}", between_loads)
        threading.Thread(target=watch, args=arguments, daemon=True).start()
        time.sleep(0.5)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
