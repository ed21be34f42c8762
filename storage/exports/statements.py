"""Pieces of the statements that write rows to files."""

from collections.abc import Mapping

from adpulse.spreadsheets import FORMULA

_TEXT = "VARCHAR"

PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000"
CSV = "FORMAT csv, HEADER"


def cells(columns: Mapping[str, str], *, neutral: bool) -> str:
    """The list of columns. ``neutral``: texts that a spreadsheet would run get an apostrophe in front, as Excel itself writes it."""
    return ", ".join(_neutral(name) if neutral and kind == _TEXT else quoted_name(name) for name, kind in columns.items())


def quoted_name(name: str) -> str:
    """A column's name as SQL has it."""
    return f'"{name}"'


def _neutral(name: str) -> str:
    column = quoted_name(name)
    return f"if(regexp_matches({column}, '^{FORMULA}'), '''' || {column}, {column}) AS {column}"
