"""The pages name what there is, and their links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

from adpulse.api.app import create_app
from adpulse.cli import cli
from adpulse.settings import Settings

ROOT = Path(__file__).parents[2]
COMMANDS = (ROOT / "docs" / "howto" / "commands.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
CONTEXT_WORDS = {"--help"}


def commands(group, path="adpulse"):
    """Every command of the tree with the words that call it."""
    for name, command in group.commands.items():
        words = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from commands(command, words)
        else:
            yield words, command


TREE = dict(commands(get_command(cli)))


def rows(opening):
    """The table rows whose first cell begins with these words of code."""
    return [line for line in COMMANDS.splitlines() if re.match(rf"\| `{re.escape(opening)}[ `]", line)]


@pytest.mark.parametrize("words", TREE)
def test_command_has_one_row_that_names_its_options(words):
    found = rows(words)

    assert len(found) == 1
    options = {name for parameter in TREE[words].params for name in parameter.opts if name.startswith("--")} - CONTEXT_WORDS
    assert {name for name in options if name not in found[0]} == set()


def test_no_row_names_a_command_or_an_option_that_is_not_there():
    told = re.findall(r"^\| `(adpulse [a-z -]+?)(?: \[?[A-Z].*?)?` \|", COMMANDS, re.MULTILINE)
    options = {name for command in TREE.values() for parameter in command.params for name in parameter.opts}

    named = set(re.findall(r"--[a-z][a-z-]*", COMMANDS.replace("`prefect worker start --type process --pool adpulse`", "")))

    assert sorted(told) == sorted(TREE)
    assert named - options - CONTEXT_WORDS == set()


@pytest.mark.parametrize("field", Settings.model_fields)
def test_setting_has_one_row_with_its_default(field):
    (row,) = rows(f"ADPULSE_{field.upper()}")

    default = Settings.model_fields[field].default
    assert default is None or f"| `{default}` |" in row


def test_no_row_names_a_setting_that_is_not_there():
    settings = COMMANDS.partition("\n## Settings\n")[2].partition("These variables")[0]

    told = re.findall(r"^\| `ADPULSE_([A-Z_]+)`", settings, re.MULTILINE)

    assert sorted(name.lower() for name in told) == sorted(Settings.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    relative = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]

    assert [target for target in relative if not (page.parent / target).exists()] == []


def test_the_tests_that_the_security_page_names_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())

    assert len(named) > 20
    assert [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text()] == []


def test_every_row_of_the_security_page_names_a_test():
    table = (ROOT / "docs" / "security.md").read_text().partition("| who |")[2].partition("\n\n")[0].splitlines()[2:]

    assert len(table) > 10
    assert [row for row in table if "`tests/" not in row] == []


def test_every_route_of_the_http_api_is_on_a_page():
    told = "".join(page.read_text() for page in PAGES)
    document = create_app().openapi()["paths"]
    routes = [f"`{method.upper()} {re.sub(r'{[^}]+}', '{id}', path)}`" for path, found in document.items() for method in found]

    assert [route for route in routes if route not in told] == []


def log_events():
    """Level and sentence of every log call, with what differs left out."""
    for package in ("adpulse", "adpulse_sandbox", "storage", "tasks", "flows", "deployments"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name("log"), attr=level), args=[ast.Constant(str(text)), *_]):
                        yield level, re.sub("%[sd]", "…", text)


def test_the_log_events_of_the_page_are_those_that_are_logged():
    told = re.findall(
        r"^\| (\w+) \| `([^`]*…?[^`]*)` \| [^|]+ \|$", OPERATIONS.partition("## Log events")[2].partition("## ")[0], re.MULTILINE
    )

    assert len(told) == len(set(told))
    assert set(told) == set(log_events())
