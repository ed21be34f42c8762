"""One-column defects, generated over what the templates make: the parts of ``columns`` must notice each."""

import re
from contextlib import ExitStack

import duckdb
import pyarrow as pa
import pytest
from columns import PARTS, changes, estimated, estimates, unknown, unknown_views, views
from jinja2 import ChoiceLoader, DictLoader

from adpulse.metrics import METRICS
from storage.warehouse import sql

VIEWS = "views.sql"
OF_VIEWS = (VIEWS, "kinds.sql", "analysis.sql")
"""The views, and what is in them alone."""

METRIC = f"({'|'.join(METRICS)})"
AFTER = dict(zip(METRICS, [*list(METRICS)[1:], *list(METRICS)[:1]], strict=True))
FORGOTTEN = (
    (rf"(?:\b\w\.)?\b{METRIC} <> 0", r"false"),
    (rf"\b(\w)\.{METRIC} IS DISTINCT FROM (\w)\.\2\b", r"false"),
    (rf"coalesce\(r\.{METRIC}, 0\) = coalesce\(k\.\1, 0\)", r"true"),
    (rf"\b{METRIC} \* 0 AS \1\b", r"\1 AS \1"),
    (rf"\b{METRIC} = change\.\1\b", r"\1 = stored.\1"),
    (rf"\bsum\({METRIC}\) AS \1\b", r"0 AS \1"),
    (rf"\bsum\({METRIC}\), NULL\) AS \1\b", r"0, NULL) AS \1"),
)
"""A metric's term or assignment, and what is the same as leaving it out."""

UNSCALED = ((rf"\* 0\.000001::DECIMAL\(7, 6\) AS {METRIC}\b", r"* 1::DECIMAL(7, 6) AS \1"), (r", 0\.000001::DECIMAL", ", 1::DECIMAL"))
ANOTHER_BIT = (
    *((rf"\b{2**bit} \* \(w\.", f"{2 ** (bit + 1)} * (w.") for bit in range(10)),
    *((rf"('\w+'), {2**bit}, ", rf"\1, {2 ** (bit + 1)}, ") for bit in range(10)),
)
ANOTHER_DIRECTION = ((r"\blag\(", "lead("),)
ANOTHER_COLUMN = tuple((rf"(?<![a-z]){name}(?![a-z_])", AFTER[name]) for name in METRICS)
KINDS = {
    "another column": ANOTHER_COLUMN,
    "forgotten": FORGOTTEN,
    "unscaled": UNSCALED,
    "another bit": ANOTHER_BIT,
    "another direction": ANOTHER_DIRECTION,
}


ONLY_OPTIONAL = r"if\(\w\.ordinal IS NULL, [^)]*\)|\bcount\(\w+\) ="
"""What makes no difference to a metric that every row has."""


def made(name):
    """What a template says; its values are left to be filled in."""
    return sql.query(name.removesuffix(".sql"), table="{{ table }}", changes="{{ changes }}")


def defects(text):
    """Every defect of a statement: what it is, and the whole text with it."""
    exempt = [found.span() for found in re.finditer(ONLY_OPTIONAL, text)]
    for kind, patterns in KINDS.items():
        for pattern, broken in patterns:
            for found in re.finditer(pattern, text):
                start = text.rfind("\n", 0, found.start()) + 1
                if text.startswith("--", start) or any(begin <= found.start() < end for begin, end in exempt):
                    continue
                line = text[start : text.find("\n", start)].strip()
                yield f"{kind}: {found.group()} in {line[:200]}", text[: found.start()] + found.expand(broken) + text[found.end() :]


@pytest.fixture
def plant(monkeypatch):
    """Puts a text in the place of one of the files, for whoever asks for it from now on."""
    environment = sql._environment()
    files = environment.loader

    def put(name, text):
        monkeypatch.setattr(environment, "loader", ChoiceLoader([DictLoader({name: text}), files]))
        forget(environment)

    yield put
    monkeypatch.undo()
    forget(environment)


def forget(environment):
    environment.cache.clear()
    sql.query.cache_clear()


def notices(looks):
    """Whether anything is otherwise than it should be: an error counts, as nobody would get past it."""
    try:
        return any(seen != expected for _, seen, expected in looks)
    except (duckdb.Error, pa.ArrowException, KeyError, ValueError):
        return True


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [name for name in PARTS if name not in OF_VIEWS])
def test_every_one_column_defect_of_a_statement_is_noticed(name, plant, new_workspace, build):
    sound, missed = made(name), []

    def noticed(text):
        plant(name, text)
        return any(notices(part(new_workspace(), build)) for part in PARTS[name])

    assert not noticed(sound)
    for told, broken in defects(sound):
        if not noticed(broken):
            missed.append(told)

    assert missed == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_one_column_defect_of_a_view_is_noticed(new_workspace, build):
    looks, planted, missed = {views: changes, unknown_views: unknown, estimates: estimated}, 0, []
    with ExitStack() as stack:
        files = []
        for look, part in looks.items():
            workspace = new_workspace()
            assert not notices(part(workspace, build))
            files.append((stack.enter_context(duckdb.connect(workspace.path)), look))
        for told, broken in defects(made(VIEWS)):
            planted += 1
            if not any(breaks(database, broken, look) for database, look in files):
                missed.append(told)

    assert missed == []
    assert planted > 50


def breaks(database, statements, looks):
    """Whether views as these statements make them show something else, or cannot be made; the file stays as it is."""
    database.execute("BEGIN")
    try:
        database.execute(statements)
        return notices(looks(lambda query: database.sql(query).fetchall()))
    except duckdb.Error:
        return True
    finally:
        database.execute("ROLLBACK")
