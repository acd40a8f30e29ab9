"""MkDocs' hook for the site: it shows which commands no test runs, and why."""

import re
from typing import Any

_NOT_RUN = re.compile(r"^( *)<!-- not run: (.+?) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_others: Any) -> str:
    """Turn the comment above a command, which a reader of the file sees, into a line on the page."""
    return _NOT_RUN.sub(r'\1<p class="not-run">No test runs this: \2.</p>', markdown)
