"""The site that is built of the documents, and the unit file beside them."""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests import children
from tests.children import ROOT
from tests.sandbox.axe import serious_faults
from tests.sandbox.browser import chrome
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.ordeal]


def need(what: str, *, is_there: bool) -> None:
    """Skip the test where a tool is missing; fail where REQUIRE_ALL is set."""
    if not is_there:
        (pytest.fail if os.environ.get("REQUIRE_ALL") else pytest.skip)(f"{what} is missing")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    need("mkdocs-material", is_there=importlib.util.find_spec("material") is not None)
    folder = tmp_path_factory.mktemp("site")
    built = children.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)], PATIENCE
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """The pages load no script, style, font, picture or frame from another address, so they work offline."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\s[^>]*?src=\"?([^\"\s>]+)", text)
        loaded += re.findall(r"<link\s(?![^>]*rel=\"?(?:canonical|next|prev))[^>]*?href=\"?([^\"\s>]+)", text)
        assert [each for each in loaded if re.match(r"(https?:)?//", each)] == [], page.name
        assert 'class="mermaid"' not in text, "mermaid would be loaded from elsewhere"
    styles = "".join(style.read_text(encoding="utf-8") for style in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//[^)'\"]+", styles) == []


def test_lists_and_tables_are_drawn_as_such(site: Path) -> None:
    """No page shows a list's dashes or a table's bars as text: the site's Markdown is stricter than GitHub's."""
    for page in site.rglob("*.html"):
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        shown = re.sub(r"<[^>]+>", "", text)
        assert re.findall(r"^\s*(?:- \S|\d+\. [A-Z]|\|.*\||```).*$", shown, re.MULTILINE) == [], page.name


def test_what_is_not_run_is_shown(site: Path) -> None:
    """The site says above a command that no test runs it, and why."""
    assert "No test runs this: needs systemd" in (site / "install.html").read_text(encoding="utf-8")


def test_systemd_understands_the_unit_file(tmp_path: Path) -> None:
    """`systemd-analyze verify` accepts the unit file, with this checkout in the place of the installed program."""
    need("systemd-analyze", is_there=shutil.which("systemd-analyze") is not None)
    text = (ROOT / "docs" / "attendance@.service").read_text(encoding="utf-8")
    unit = tmp_path / "attendance@.service"
    unit.write_text(text.replace("/opt/attendance", str(ROOT)), encoding="utf-8")
    verified = children.run(["systemd-analyze", "verify", "--man=no", f"{tmp_path}/attendance@kbtu.service"], PATIENCE)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    unit.write_text(unit.read_text(encoding="utf-8").replace("MemoryMax=4G", "MemoryMax=plenty"), encoding="utf-8")
    verified = children.run(["systemd-analyze", "verify", "--man=no", f"{tmp_path}/attendance@kbtu.service"], PATIENCE)
    assert "Invalid memory limit" in verified.stdout + verified.stderr


@pytest.mark.browser
def test_pages_can_be_used_by_everybody(site: Path, tmp_path: Path) -> None:
    """Opened from the folder, every page runs without an error of its own, and axe finds nothing serious in it."""
    faults = {}
    with chrome(tmp_path) as browser:
        for page in sorted(site.rglob("*.html")):
            browser.get(page.as_uri())
            wait = WebDriverWait(browser, PATIENCE)
            wait.until(lambda driver: driver.execute_script("return document.readyState") == "complete")
            if found := serious_faults(browser, ".md-content"):  # the frame around it is the theme's
                faults[page.name] = found
            pictures = "return [...document.images].filter((each) => !each.naturalWidth).map((each) => each.src)"
            if missing := browser.execute_script(pictures):
                faults[f"pictures of {page.name}"] = missing
    assert faults == {}
