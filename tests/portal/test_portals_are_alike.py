"""The simulator draws the same elements, classes and roles as the real Vaadin in every view."""

from contextlib import closing, suppress

import pytest
from selenium.webdriver.common.by import By

from portal.browser import Browser
from portal.errors import SessionLost, SignInRefused
from portal.lessons import Lesson
from tests.e2e.people import Portal
from tests.portal.browsers import PASSWORD, USERNAME, OpenBrowser, page_of, until

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.vaadin, pytest.mark.ordeal]

SCENES = (
    "login",
    "username typed",
    "username sent",
    "refused",
    "card",
    "question",
    "marked",
    "blocked",
    "expired",
    "communication problem",
    "authentication problem",
    "connection lost",
)
# The DOM of each component; how the portal's application nests the components is not known.
DRAWN = """
    const components = [
        ".v-horizontallayout-header", ".v-formlayout", ".v-verticallayout-card .v-verticallayout-card",
        ".v-information-component", ".v-overlay-container > :not(.v-tooltip)",
    ];
    const counted = ["id", "for", "aria-labelledby"];
    const ignored = ["style", "dir", ...counted];
    const lines = [...document.body.classList].filter((name) => /^v-(modal|reconnecting)/.test(name));
    const walk = (node, depth) => {
        const text = node.nodeType === Node.TEXT_NODE && node.textContent.trim();
        if (text) lines.push("  ".repeat(depth) + text);
        if (node.nodeType !== Node.ELEMENT_NODE) return;
        const classes = [...node.classList].filter((name) => !name.endsWith("-animate-in")).sort();
        const attributes = [...node.attributes].filter(({ name }) => name !== "class" && !ignored.includes(name))
            .map(({ name, value }) => `${name}=${value.replace(location.origin, "")}`).sort();
        const has = counted.filter((name) => node.hasAttribute(name));
        lines.push("  ".repeat(depth) + [node.localName, ...classes, ...attributes, ...has].join(" "));
        node.childNodes.forEach((child) => walk(child, depth + 1));
    };
    document.querySelectorAll(components.join()).forEach((each) => walk(each, 0));
    return lines;
"""

Drawn = dict[str, list[str]]


@pytest.fixture(scope="module")
def drawn(open_browser: OpenBrowser, simulated_portal_url: str, vaadin_portal_url: str) -> tuple[Drawn, Drawn]:
    """The DOM of both portals in each scene."""
    browser = open_browser("headless-shell")
    with closing(Portal(simulated_portal_url)) as simulated, closing(Portal(vaadin_portal_url)) as real:
        return walk(simulated, browser), walk(real, browser)


@pytest.mark.parametrize("scene", SCENES)
def test_same_elements(drawn: tuple[Drawn, Drawn], scene: str) -> None:
    """In this scene both portals draw the same elements, classes, attributes and texts in the same order."""
    simulated, real = drawn
    assert len(real[scene]) > 25
    assert simulated[scene] == real[scene]


def walk(portal: Portal, browser: Browser) -> Drawn:
    """Bring a portal into each scene; return the DOM of each."""
    drawn: Drawn = {}
    driver = browser.driver
    driver.execute("executeCdpCommand", {"cmd": "Network.clearBrowserCookies", "params": {}})
    portal.reset()
    portal.has_student(USERNAME, PASSWORD)
    page = page_of(browser, portal.address)

    def look(scene: str) -> None:
        # a window that is being closed
        until(lambda: not driver.find_elements(By.CSS_SELECTOR, "[class*='-animate-out']"))
        drawn[scene] = driver.execute_script(DRAWN)

    def click(xpath: str) -> None:
        driver.find_element(By.XPATH, xpath).click()
        page.settle()

    def look_at_trouble(scene: str, **behaviour: bool) -> None:
        lesson = Lesson("Biology <2>", "Ivanov I. I.", "Л27 (15:00 - 16:00)")
        until(lambda: page.settle().card(lesson) is not None)  # a slow machine draws it later
        portal.behaves(**behaviour)
        with suppress(SessionLost):
            page.mark(lesson)
        look(scene)
        driver.get("about:blank")  # a page that lost the connection would send its click again
        portal.behaves(**dict.fromkeys(behaviour, False))
        page.load(portal.address)
        page.settle()

    page.load(portal.address)
    page.settle()
    look("login")
    field = driver.find_element(By.CSS_SELECTOR, ".v-filterselect-input")
    field.send_keys("b_student")
    page.settle()
    until(lambda: driver.find_elements(By.ID, "VAADIN_COMBOBOX_OPTIONLIST"))
    look("username typed")
    driver.find_element(By.CSS_SELECTOR, "input[type=password]").click()
    page.settle()
    look("username sent")
    with suppress(SignInRefused):
        page.sign_in(USERNAME, "wrong")
    look("refused")
    portal.opens("Algebra & <1>")
    portal.opens("Biology <2>")
    page.load(portal.address)
    page.settle()
    page.sign_in(USERNAME, PASSWORD)
    look("card")
    portal.behaves(confirm_dialog=True)
    click("//*[text()='Отметиться']/ancestor::*[@role='button']")
    look("question")
    click("//*[text()='Да']/ancestor::*[@role='button']")
    look("marked")
    portal.behaves(confirm_dialog=False)
    look_at_trouble("communication problem", communication_problem=True)
    look_at_trouble("authentication problem", authentication_problem=True)
    look_at_trouble("connection lost", connection_lost=True)
    portal.has_student(USERNAME, PASSWORD, blocked="оплата")
    page.load(portal.address)
    page.settle()
    look("blocked")
    portal.has_student(USERNAME, PASSWORD)
    page.load(portal.address)
    page.settle()
    portal.expires()
    look_at_trouble("expired")
    driver.get("about:blank")
    return drawn
