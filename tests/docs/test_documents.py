"""The documents agree with the program and with each other."""

import importlib.util
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from telegram_app import i18n
from tests.children import ROOT
from tests.docs.documents import DOCUMENTS, anchors, label, links, prose, shell_blocks, text_of
from tests.telegram_app.test_catalogues import in_the_code

pytestmark = pytest.mark.unit

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=label)


@each_document
def test_commands_say_whether_a_test_runs_them(document: Path) -> None:
    """Above each block of shell commands stands whether a test runs it, and if not, why."""
    for block in shell_blocks(document):
        assert block.is_run is not None, f"line {block.line}"
        assert block.is_run or block.detail, f"line {block.line}: why not?"


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    """Each link and picture inside the project exists, with its heading; a page of the site names nothing outside."""
    for link in links(document):
        parts = urlsplit(link)
        if parts.scheme in ("https", "http"):
            continue
        target = document if not parts.path else (document.parent / parts.path).resolve()
        assert target.exists(), link
        if document.is_relative_to(ROOT / "docs"):
            assert target.is_relative_to(ROOT / "docs"), link
        if parts.fragment and target.suffix == ".md":
            assert parts.fragment in anchors(target), link


@each_document
def test_modules_that_are_named_exist(document: Path) -> None:
    """`python -m module` names a module of the project or an installed one."""
    for module in re.findall(r"python3? -m ([a-zA-Z_][\w.]*)", text_of(document)):
        assert importlib.util.find_spec(module) is not None, module


@each_document
def test_options_that_are_named_exist(document: Path) -> None:
    """Each option of a command of the project stands in the code of that command."""
    for command, options in re.findall(r"python3? (?:-m )?([\w.]+)((?: +[^\s`|&>#]+)*)", text_of(document)):
        package = ROOT / command.removesuffix(".py").split(".")[0]
        files = [ROOT / command] if command.endswith(".py") else sorted(package.rglob("*.py"))
        code = "".join(file.read_text(encoding="utf-8") for file in files if file.exists())
        for option in re.findall(r" (--[\w-]+)", options):
            assert not code or f'"{option}"' in code, f"{command} {option}"


@each_document
def test_pictures_are_described(document: Path) -> None:
    """Each picture has a text for those who don't see it."""
    pictures = re.findall(r"!\[([^\]]*)\]|<img (?:(?!alt=)[^>])*?(?:alt=\"([^\"]*)\"[^>]*)?>", prose(document))
    assert all(one or other for one, other in pictures)


@pytest.mark.parametrize("page", ["students", "teachers", "admins", "privacy", "faces", "health", "rosters"])
def test_buttons_are_named_as_the_bots_do(page: str) -> None:
    """What stands in italics with a capital letter, or in a table of buttons, is a text of the bots."""
    text = text_of(ROOT / "docs" / f"{page}.md")
    named = re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", text)
    for rows in re.findall(r"^\| button \| \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        named += [name for row in rows.splitlines() for name in re.split(r", | / ", row.split("|")[1].strip())]
    shown = {re.sub(r" \(.*\{\w+\}.*\)|\.$", "", each) for each in in_the_code()}
    assert [name for name in named if name not in shown] == []


def test_every_page_stands_in_the_menu_once() -> None:
    """The site's menu has each page of docs/ exactly once."""
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    there = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(re.findall(r": (\S+\.md)$", menu, re.MULTILINE)) == sorted(there)


def test_readme_is_short() -> None:
    """The README can be read in one go; everything else is in docs/."""
    assert len((ROOT / "README.md").read_bytes()) < 7000


@pytest.mark.parametrize(("language", "heading"), [("en", "English"), ("ru", "Русский"), ("kk", "Қазақша")])
def test_the_notice_names_the_buttons_as_the_bot_does(language: str, heading: str) -> None:
    """The notice to hand out names the buttons with their labels in its language, and the commands."""
    notice = text_of(ROOT / "docs" / "privacy.md").partition(f"### {heading}\n")[2].partition("\n### ")[0]
    i18n.load()
    texts = i18n.texts(language)
    for button in ("Without My Face", "Ask for a Correction"):
        assert texts(button) in notice
    for command in ("/me", "/my_data", "/delete_me"):
        assert f"`{command}`" in notice
