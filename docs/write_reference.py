"""Writes ``docs/reference/`` from the code: commands, settings, HTTP API, tables and metrics, events. Run by ``make reference``.

It makes no calls and reads no settings; the warehouse whose tables it lists is in memory.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import duckdb
import typer
from pydantic_settings import BaseSettings
from typer.main import get_command

from adpulse.api.app import create_app
from adpulse.cli import cli
from adpulse.events import SENTENCES, SUBSCRIBABLE, TROUBLE, EventType
from adpulse.metrics import METRICS, PROFIT
from adpulse.platforms.registry import PLATFORMS
from adpulse.settings import Settings, variable
from storage.warehouse import comments, schema

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Made by `make reference` from the code: change it there. -->"

_NUMBERS = {"integer": "whole number", "number": "number"}


def pages() -> dict[str, str]:
    """Every page of the reference, by the name of its file."""
    texts = {
        "commands.md": _commands(),
        "settings.md": _settings(),
        "http-api.md": _routes(),
        "tables.md": _tables(),
        "events.md": _events(),
    }
    return {name: "\n".join(lines) + "\n" for name, lines in texts.items()}


def main() -> None:
    """Write the pages, and remove files that are not pages any more."""
    FOLDER.mkdir(exist_ok=True)
    texts = pages()
    for file in FOLDER.iterdir():
        if file.name not in texts:
            file.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, "utf-8")


def _page(title: str, *introduction: str) -> Iterator[str]:
    yield from (f"# {title}", "", NOTE, "", *introduction)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(_cell(text) for text in cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def _commands() -> Iterator[str]:
    yield from _page("Commands", "The output of `--help` for every command.", "How to use them: [the guide](../howto/commands.md).")
    yield from _group(get_command(cli), "adpulse")


def _group(group: Any, words: str) -> Iterator[str]:  # noqa: ANN401 - Typer's copy of Click is private
    """The commands of a group, those below it last."""
    for name, command in sorted(group.commands.items(), key=lambda item: hasattr(item[1], "commands")):
        path = f"{words} {name}"
        if hasattr(command, "commands"):
            yield from ("", f"## {path}", "", *_paragraphs(command.help))
            yield from _group(command, path)
        else:
            yield from _command(command, path)


def _command(command: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - as above
    context = typer.Context(command, info_name=path)
    yield from ("", f"### {path}", "", *_paragraphs(command.help))
    yield from ("", f"`{' '.join([path, *command.collect_usage_pieces(context)])}`")
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if records:
        yield from _table(("argument or option", "meaning"), [(f"`{names}`", meaning) for names, meaning in records])


def _paragraphs(text: str | None) -> Iterator[str]:
    """Each paragraph on one line."""
    for number, paragraph in enumerate((text or "").split("\n\n")):
        yield from ([""] if number else [])
        yield " ".join(paragraph.replace("``", "`").split())


def _settings() -> Iterator[str]:
    yield from _page(
        "Settings",
        "Each is an environment variable, or a file; [the guide](../howto/commands.md#settings) says how they are read.",
        "Secrets never appear in a log, an error or the pages.",
    )
    yield from ("", "## Of the installation")
    yield from _section(Settings)
    for platform in PLATFORMS.values():
        yield from ("", f"## Of {platform.label}")
        yield from _section(platform.settings)


def _section(section: type[BaseSettings]) -> Iterator[str]:
    fields = section.model_json_schema()["properties"]
    rows = [(f"`{variable(section, name)}`", _type(field), _default(field), field.get("description", "")) for name, field in fields.items()]
    yield from _table(("variable", "type", "default", "meaning"), rows)


def _type(field: Mapping[str, Any]) -> str:
    """The type and bounds of a setting, in words."""
    kind = next((option for option in field.get("anyOf", ()) if option["type"] != "null"), field)
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("writeOnly"):
        return "secret text"
    if kind["type"] == "boolean":
        return "`true` or `false`"
    if kind["type"] in _NUMBERS:
        bounds = {"from": kind.get("minimum"), "above": kind.get("exclusiveMinimum"), "to": kind.get("maximum")}
        return " ".join([_NUMBERS[kind["type"]], *(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)])
    return "path" if kind.get("format") == "path" else "text"


def _default(field: Mapping[str, Any]) -> str:
    value = field["default"]
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _routes() -> Iterator[str]:
    yield from _page(
        "Routes of the HTTP API",
        "The least role that a key needs, and the status of a success; schemas are in `/openapi.json` of an installation.",
        "Keys, examples and errors: [the guide](../howto/http-api.md).",
    )
    by_tag: dict[str, list[tuple[str, str, str, str]]] = {}
    for path, operations in create_app().openapi()["paths"].items():
        for method, route in operations.items():
            row = (f"`{method.upper()} {path}`", _role(route), _successes(route), f"{route['summary']}. {route.get('description', '')}")
            by_tag.setdefault(route["tags"][0], []).append(row)
    for tag, rows in by_tag.items():
        yield from ("", f"## {tag.capitalize()}")
        yield from _table(("request", "role", "answer", "what it does"), rows)


def _role(route: Mapping[str, Any]) -> str:
    roles = {role for scheme in route.get("security", ()) for named in scheme.values() for role in named}
    return ", ".join(sorted(roles)) or "none"


def _successes(route: Mapping[str, Any]) -> str:
    return ", ".join(f"{status} {HTTPStatus(int(status)).phrase}" for status in route["responses"] if status.startswith("2"))


def _tables() -> Iterator[str]:
    yield from _page(
        "Tables, views and metrics",
        "The contents of a workspace's DuckDB file; [the architecture](../architecture.md#the-warehouse) says which to query.",
        "A type that ends with `NOT NULL` always has a value.",
    )
    yield from ("", "## Metrics", "", "Tables hold whole numbers: counts, or micros, which are millionths. Views hold units.")
    head = ("metric", "unit", "adds up", "meaning", *(platform.label for platform in PLATFORMS.values()))
    yield from _table(
        head,
        [
            (
                f"`{metric.name}`",
                metric.unit,
                "yes" if metric.additive else "no",
                metric.description,
                *("computed" if metric is PROFIT else platform.metrics.get(metric.name, "not reported") for platform in PLATFORMS.values()),
            )
            for metric in METRICS.values()
        ],
    )
    described = comments.relations()
    for title, relations in _relations().items():
        yield from ("", f"## {title}")
        for name, columns in relations.items():
            yield from ("", f"### {name}", "", described[name.removeprefix(f"{schema.RAW}.")])
            yield from _table(("column", "type", "meaning"), columns)
    yield from ("", "## Macros")
    for name in comments.macros():
        yield from ("", f"### {name}", "", described[name])


def _relations() -> dict[str, dict[str, list[tuple[str, str, str]]]]:
    """Views and tables with their columns, as in a new warehouse; without the two tables that note its schema."""
    relations: dict[str, dict[str, list[tuple[str, str, str]]]] = {"Views": {}, "Tables": {}}
    with duckdb.connect() as warehouse:
        schema.migrate(warehouse)
        own = "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal"
        for place, relation, column, kind, nullable in warehouse.sql(f"{own} ORDER BY table_name, column_index").fetchall():
            if not relation.startswith("schema_"):
                in_raw = place == schema.RAW
                always = " NOT NULL" if in_raw and not nullable else ""
                columns = relations["Tables" if in_raw else "Views"].setdefault(f"{place}.{relation}" if in_raw else relation, [])
                meaning = comments.of_column(relation, column, in_units=not in_raw)
                columns.append((f"`{column}`", f"{kind}{always}", meaning))
    return relations


def _events() -> Iterator[str]:
    yield from _page(
        "Events of webhooks",
        "Every message is `type`, `timestamp` and `data`; an example of each is in [the guide](../howto/webhooks.md#events).",
        "By default a webhook gets the events that need attention.",
        "Words in braces are fields of `data`.",
    )
    rows = [(f"`{kind}`", _chosen(kind), f"[payload](../howto/webhooks.md#{kind.replace('.', '')})", SENTENCES[kind]) for kind in EventType]
    yield from _table(("event", "sent", "data", "what a channel shows"), rows)


def _chosen(kind: EventType) -> str:
    if kind not in SUBSCRIBABLE:
        return "on request"
    return "by default" if kind in TROUBLE else "when chosen"


if __name__ == "__main__":
    main()
