"""Cells of files that people open in a spreadsheet."""

# A cell that begins with one of these is a formula to a spreadsheet; Excel accepts the full-width forms, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would evaluate a text as a formula."""
    return cell.lstrip(" ").startswith(_FORMULA)


def harmless(cell: str) -> str:
    """Escape a text so that no spreadsheet evaluates it as a formula, and remove null characters."""
    cell = cell.replace("\0", "")
    return "'" + cell if is_formula(cell) else cell
