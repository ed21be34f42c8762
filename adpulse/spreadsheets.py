"""Texts that a spreadsheet would run when it opens a CSV file. Pure."""

import re

FORMULA = r"[=+\-@\t\r]"
"""What a spreadsheet takes for the beginning of a formula, as a regular expression."""


def neutralised(text: str) -> str:
    """The text, with an apostrophe in front if it would be run, as Excel itself writes it."""
    return f"'{text}" if re.match(FORMULA, text) else text


def restored(text: str) -> str:
    """A text as it was before it was neutralised."""
    return text[1:] if text[:1] == "'" and re.match(FORMULA, text[1:]) else text
