"""The pages name what there is, and their links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

from adpulse.api.app import create_app
from adpulse.cli import cli
from adpulse.model import RunState
from adpulse.run_states import LEGAL_MOVES
from adpulse.settings import sections, variable

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GUIDES = [page for page in PAGES if page.parent.name != "reference"]
"""Written by hand; the reference is made of what it lists."""


OTHER_VARIABLES = set(re.findall(r"^\| `(ADPULSE_[A-Z_]+)` \|", (ROOT / "docs" / "howto" / "commands.md").read_text(), re.MULTILINE)) | {
    "ADPULSE_ENV_FILE",  # of compose.yaml
    "ADPULSE_NAME",  # stands for any
}


def groups(group, path="adpulse"):
    """The words that call a command or a group of them, with what they call."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from groups(command, f"{path} {name}")


TREE = dict(groups(get_command(cli)))


@pytest.mark.parametrize("path", TREE)
def test_command_and_each_of_its_options_has_help(path):
    assert TREE[path].help
    assert [parameter.opts for parameter in TREE[path].params if not parameter.help] == []


def called(words):
    """The longest beginning of these words that calls something."""
    return next(path for path in (" ".join(words[:count]) for count in range(len(words), 0, -1)) if path in TREE)


FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def code(page):
    """What a page shows as code: the lines of its blocks, and what is in backticks."""
    text = page.read_text()
    return [*(line for block in FENCED.findall(text) for line in block.splitlines()), *re.findall("`([^`\n]+)`", FENCED.sub("", text))]


CALLS = sorted({call.strip() for page in GUIDES for line in code(page) for call in re.findall('\\badpulse [a-z-]+[^|<>#&"]*', line)})


@pytest.mark.parametrize("call", CALLS)
def test_command_that_a_guide_shows_is_there(call):
    words = call.split()
    path = called(words)
    if TREE[path].context_settings.get("ignore_unknown_options"):
        return  # the rest is another program's
    options = {option for parameter in TREE[path].params for option in parameter.opts} | {"--help"}

    assert not hasattr(TREE[path], "commands") or all(word.startswith("-") for word in words[len(path.split()) :])
    assert {word for word in words if word.startswith("-")} - options == set()


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_that_a_guide_names_are_there(page):
    settings = {variable(section, name) for section in sections() for name in section.model_fields}

    assert set(re.findall(r"\bADPULSE_[A-Z_]+\b", page.read_text())) - settings - OTHER_VARIABLES == set()


def anchors(page):
    """What links may name after ``#``: the headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files_and_headings(page):
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if not re.match("[a-z]+:", target)]
    places = [
        (target, (page.parent / target.partition("#")[0]) if target[0] != "#" else page, target.partition("#")[2]) for target in targets
    ]

    assert [target for target, file, _ in places if not file.exists()] == []
    assert [target for target, file, heading in places if heading and heading not in anchors(file)] == []


IN_THE_HOME = {".adpulse/", "warehouse/", "published/", "exports/", "staging/", "prefect/", "locks/", "logs/"}
PAGES_ROUTE = "GET /app"
"""Answers with pages, and is not in the API's document."""

NOT_KEPT = {"secrets/", "bench/results/", "build/screenshots/", "report.md"}
"""Folders and files that installations and programs make."""


PATH = re.compile(r"`([\w.<>-][\w./<>-]*(?:\.(?:py|sql|js|toml|md|ya?ml|ipynb)|/))(?:::\w+)?`")


def paths(page):
    """The files of the repository, and the folders, that a page names in backticks; those with ``<name>`` stand for any."""
    return {path for path in PATH.findall(page.read_text()) if "<" not in path}


@pytest.mark.parametrize("page", [page for page in GUIDES if page.name != "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_that_a_guide_names_are_there(page):
    """A bare file name is one of a folder that the page names."""
    named = paths(page) - IN_THE_HOME - NOT_KEPT
    folders = [ROOT / folder for folder in named if folder.endswith("/")]

    assert [path for path in named if not (ROOT / path).exists() and not any((folder / path).is_file() for folder in folders)] == []


def test_the_glossary_is_in_order_and_says_each_term_once_in_one_sentence():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `[^`|]+` \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    terms = [term.casefold() for term, _ in rows]

    assert len(terms) > 40
    assert terms == sorted(set(terms))
    assert [term for term, meaning in rows if not meaning.endswith(".") or ". " in meaning] == []


def test_the_drawing_of_a_syncs_life_shows_legal_moves():
    drawing = (ROOT / "docs" / "architecture.md").read_text().partition("stateDiagram-v2")[2].partition("```")[0]
    moves = re.findall(r"^ +(\w+) --> (\w+)", drawing, re.MULTILINE)

    assert len(moves) > 10
    assert [(old, new) for old, new in moves if RunState(new) not in LEGAL_MOVES[RunState(old)]] == []
    assert {state for move in moves for state in move} == set(RunState)


def test_the_tests_that_the_security_page_names_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())

    assert len(named) > 20
    assert [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text()] == []


def test_every_row_of_the_security_page_names_a_test():
    table = (ROOT / "docs" / "security.md").read_text().partition("| who |")[2].partition("\n\n")[0].splitlines()[2:]

    assert len(table) > 10
    assert [row for row in table if "`tests/" not in row] == []


def test_routes_that_a_guide_names_are_there():
    document = create_app().openapi()["paths"]
    routes = {f"{method.upper()} {re.sub('{[^}]+}', '{id}', path)}" for path, found in document.items() for method in found}
    named = {route for page in GUIDES for route in re.findall(r"`((?:GET|POST|PATCH|PUT|DELETE) /[^`?… ]*)[`?]", page.read_text())}
    named = {re.sub("{[^}]+}", "{id}", route) for route in named}

    assert len(named) > 10
    assert named - routes - {PAGES_ROUTE} == set()


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


@pytest.mark.parametrize("page", ["docs/decisions.md", "CHANGELOG.md", "docs/glossary.md", "docs/operations.md"])
def test_a_list_says_everything_once(page):
    entries = [line for line in (ROOT / page).read_text().splitlines() if line.startswith(("- ", "| ")) and len(line) > 80]
    assert [line for number, line in enumerate(entries) if line in entries[:number]] == []
