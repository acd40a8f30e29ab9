"""Cells of files that people open in a spreadsheet."""

# What a spreadsheet takes for a formula at the beginning of a cell; Excel takes the wide forms, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def is_formula(cell: str) -> bool:
    """Say whether a spreadsheet would take a text for a formula."""
    return cell.lstrip(" ").startswith(_FORMULA)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, and without what a file can't hold."""
    cell = cell.replace("\0", "")
    return "'" + cell if is_formula(cell) else cell
