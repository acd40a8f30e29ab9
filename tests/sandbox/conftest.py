"""Fixtures: a browser, a running sandbox, and a page with two phones whose bots the test plays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.sandbox import phone_page
from tests.sandbox.browser import chrome
from tests.sandbox.browsing import Sandbox, started
from tests.sandbox.phone_driver import Handset
from tests.sandbox.phone_page import STUDENT, TEACHER, PhonePage


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A Chromium for the phones."""
    with chrome(tmp_path_factory.mktemp("phones")) as browser:
        yield browser


@pytest.fixture(scope="module")
def server() -> Iterator[PhonePage]:
    """The page with the phones."""
    with phone_page.running() as page:
        yield page


@pytest.fixture
def page(server: PhonePage, driver: webdriver.Chrome) -> PhonePage:
    """The page with empty chats, opened."""
    server.reset()
    driver.get(server.url)
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    return server


@pytest.fixture
def teacher(page: PhonePage, driver: webdriver.Chrome) -> Handset:
    """The teacher's phone, with a chat that has begun."""
    page.acts("teacher", TEACHER, text="/start")
    phone = Handset(driver, "Yerlan")
    phone.sees("/start")
    return phone


@pytest.fixture
def student(page: PhonePage, driver: webdriver.Chrome) -> Handset:
    """The student's phone, with two chats that have begun."""
    page.acts("marker", STUDENT, text="/start")
    page.acts("student", STUDENT, text="/start")
    phone = Handset(driver, "Aruzhan")
    phone.sees("/start")
    return phone


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A running sandbox with the real bots."""
    with started(tmp_path) as running:
        yield running
