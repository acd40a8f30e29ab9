"""Checks a page with axe-core (MPL-2.0), which the dev package axe-playwright-python carries.

Only its script is used: playwright itself is not installed (see `override-dependencies` in pyproject.toml).
"""

from importlib import metadata
from pathlib import Path
from typing import Any

from selenium import webdriver

from tests.sandbox.browser import missing

SERIOUS = ("serious", "critical")
_RUN = """
    const [selector, done] = arguments;
    axe.run(selector || document, { resultTypes: ["violations"] }).then(
        ({ violations }) => done({ violations }), (error) => done({ error: String(error) }));
"""


def serious_faults(driver: webdriver.Chrome, selector: str = "") -> list[str]:
    """Return what axe finds serious or critical on the page, or in the element of a CSS selector."""
    if not driver.execute_script("return Boolean(window.axe)"):
        driver.execute_script(_source())
    answer: dict[str, Any] = driver.execute_async_script(_RUN, selector)
    assert "error" not in answer, answer["error"]
    return [_shown(fault) for fault in answer["violations"] if fault["impact"] in SERIOUS]


def _shown(fault: dict[str, Any]) -> str:
    """The rule, the elements, and what is wrong with the first of them."""
    elements = " ".join(str(node["target"][0]) for node in fault["nodes"])
    return f"{fault['id']}: {elements}: {fault['nodes'][0]['failureSummary']}"


def _source() -> str:
    try:
        package = metadata.distribution("axe-playwright-python")
    except metadata.PackageNotFoundError:
        missing("axe-playwright-python is not installed: tools/set-up test")
    return Path(str(package.locate_file("axe_playwright_python/axe.min.js"))).read_text(encoding="utf-8")
