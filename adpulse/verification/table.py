"""The bytes of an exported file as a table: encoding, delimiter, the lines above the header. Pure.

Ads Manager exports UTF-8 with commas. Google Ads exports UTF-8 with commas as ``.csv``, UTF-16 with tabs as "Excel .csv", and puts
the report's title and its range above the header. A file that was saved again by a German Excel has semicolons.
Sources: public exports and readers of them, 2026; no account of ours.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from adpulse.errors import Usage

_DELIMITERS = (",", "\t", ";")
_HEADER_WITHIN = 30
"""The header is among the first so many lines."""

_LEAST_KNOWN = 2
"""A line with this many known names is the header: a report's title may be the name of a column."""

_SHOWN = 12

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What text has no use for, and would move the cursor of a terminal on which it is shown."""

TOTAL = re.compile(r"(?:total|gesamt|summe)\s*(?::.*)?", re.IGNORECASE | re.DOTALL)
"""What a row of totals is called: ``Total: Account``, ``Gesamt: Konto``; a campaign ``Gesamtpaket`` is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table and the number of its line in the file."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and the rows below it, each with as many cells as the header."""

    header: tuple[str, ...]
    lines: tuple[Line, ...]


def read_table(content: bytes, is_known: Callable[[str], bool]) -> Table:
    """Find the header and read the rows below it.

    Args:
        content: the file.
        is_known: whether a cell is the name of a column that means something here.

    Raises:
        Usage: it is no CSV file, or no line has known names, or a row is cut off.
    """
    text = _decoded(content)
    found = [(known, place, delimiter) for delimiter in _DELIMITERS for known, place in [_header(text, delimiter, is_known)]]
    known, place, delimiter = max(found, key=lambda candidate: candidate[0])
    if known < _LEAST_KNOWN:
        first = text.strip()[:80].partition("\n")[0]
        raise Usage(
            f"No line has the names of columns that are known here. The file begins with: {first!r}. "
            "Export the report with English or German columns, or name them: --column day=NAME --column campaign=NAME --column spend=NAME"
        )
    try:
        header, *lines = islice(_lines(text, delimiter), place, None)
        return Table(header=header.cells, lines=tuple(_whole(line, len(header.cells)) for line in lines if not _is_short_total(line)))
    except csv.Error as error:
        raise Usage(f"The file is not a whole CSV file ({error}). Export it again.") from None


def _decoded(content: bytes) -> str:
    if not content.strip():
        raise Usage("The file is empty.")
    if content.startswith(b"PK\x03\x04"):
        raise Usage("The file is an Excel workbook. Export the report as CSV, or save its sheet as 'CSV UTF-8'.")
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError:
        raise Usage("The file is neither UTF-8 nor UTF-16. Export it again, or save it as 'CSV UTF-8'.") from None
    if "\0" in text:
        raise Usage("The file is not text. Export the report as CSV.")
    return _CONTROL.sub("\ufffd", text)


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if content[1:2] == b"\0" and content[:1] != b"\0":
        return "utf-16-le"  # Google's "Excel .csv" that lost its mark
    return "utf-8-sig"


def _header(text: str, delimiter: str, is_known: Callable[[str], bool]) -> tuple[int, int]:
    """How many known names the best of the first lines has, and which line it is."""
    best = (0, 0)
    try:
        for place, line in enumerate(islice(_lines(text, delimiter), _HEADER_WITHIN)):
            known = sum(map(is_known, line.cells))
            if known > best[0]:
                best = (known, place)
    except csv.Error:
        pass  # with this delimiter the quotes make no sense further down
    return best


def _lines(text: str, delimiter: str) -> Iterator[Line]:
    """The rows that are not blank."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for row in rows:
        cells = tuple(cell.strip() for cell in row)
        if any(cells):
            yield Line(rows.line_num, cells)


def _is_short_total(line: Line) -> bool:
    """Whether it is a totals row, which some exports end after the label."""
    return len(line.cells) <= _LEAST_KNOWN and TOTAL.fullmatch(line.cells[0]) is not None


def _whole(line: Line, width: int) -> Line:
    """The line with as many cells as the header; further ones are empty.

    Raises:
        Usage: cells are missing, or there are more.
    """
    if len(line.cells) < width:
        raise Usage(f"Line {line.number} has {len(line.cells)} cells, the header {width}: the file is cut off. Export it again.")
    if any(line.cells[width:]):
        raise Usage(f"Line {line.number} has {len(line.cells)} cells, the header {width}. Export the file again.")
    return Line(line.number, line.cells[:width])


def listed(names: tuple[str, ...]) -> str:
    """Names of columns for a sentence, not too many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more
