"""Tables on the terminal. What comes from platforms and people is text there: no markup, and nothing that moves the cursor."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

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


def _text(cell: str) -> "Text":
    from rich.text import Text

    return Text("\n".join(map(plain, cell.split("\n"))))
