"""Tables on the terminal. What comes from platforms and people is text there: no markup, and nothing that moves the cursor."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_GAP, _INDENT, _NARROWEST = 2, 2, 6
"""Of lists: spaces between columns, before an id, and the width below which no column is narrowed."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """A text without control characters: a name must not colour, move or break a line."""
    return _CONTROL.sub("\ufffd", text)


def print_json(items: Iterable[Any]) -> None:
    """Print a list of dataclasses with every field; people may see all of them. Instants are text: ``2026-03-20 15:00:00+00:00``."""
    typer.echo(json.dumps([asdict(item) for item in items], default=str, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print rows beneath their columns; ``[red]`` in a name is those five characters."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=_text(title) if title else None)
    for column in columns:
        table.add_column(_text(column))
    for row in rows:
        table.add_row(*map(_text, row))
    Console().print(table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a list: its cells, its whole id if no cell has it, and what is said of it at length, such as why it failed."""

    cells: Sequence[str]
    id: str = ""
    note: str = ""


def print_list(columns: Sequence[str], items: Sequence[Item]) -> None:
    """Print items beneath their columns, each followed by its id and note. It fits any width: cells wrap, and nothing is cut off."""
    from rich.console import Console
    from rich.padding import Padding

    if not items:
        return
    console = Console()
    widths = _widths(columns, items, console.width)
    console.print(_line(columns, widths, style="bold"))
    for item in items:
        console.print(_line(item.cells, widths))
        if below := f"{item.id}  {item.note}".strip():
            console.print(Padding(_text(below), (0, 0, 0, _INDENT), expand=False))


def _widths(columns: Sequence[str], items: Sequence[Item], available: int) -> list[int]:
    """As wide as the cells; while that is more than there is, the widest column gives way."""
    widths = [max(map(len, cells)) for cells in zip(columns, *(item.cells for item in items), strict=True)]
    while sum(widths) + _GAP * (len(widths) - 1) > available and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], style: str = "") -> "Table":
    from rich.table import Table

    line = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    for width in widths:
        line.add_column(width=width, overflow="fold")
    line.add_row(*map(_text, cells), style=style)
    return line


def _text(cell: str) -> "Text":
    from rich.text import Text

    return Text("\n".join(map(plain, cell.split("\n"))))
