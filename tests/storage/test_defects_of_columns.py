"""One-column defects, generated over what the templates make: the parts of ``column_parts`` must notice each.

A list of columns is a loop over the metrics. What can be wrong in it is the loop, so a defect is planted for one metric of several
that are alike: for which, a hash says, so that it is another one in another loop.
"""

import re
from collections import defaultdict
from contextlib import ExitStack
from zlib import crc32

import duckdb
import pyarrow as pa
import pytest
from column_parts import PARTS
from columns import changes, estimated, estimates, unknown, unknown_views, views
from columns_of_costs import cost_views, costs
from columns_of_delivery import delivered, delivery_views
from columns_of_remainders import remaining, remaining_views
from jinja2 import ChoiceLoader, DictLoader

from adpulse.metrics import METRICS
from storage.warehouse import sql
from storage.warehouse.schema import find_tables

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


KNOWN = {name for name, metric in METRICS.items() if metric.required and not metric.unknowable}
BOTH_KNOWN = "|".join(name for name in METRICS if {name, AFTER[name]} <= KNOWN)
EQUIVALENT = {
    "complete_leaves.sql": {
        "zero times any metric is zero, and every answer has the metric, so that none is kept": r"if\(\w\.ordinal IS NULL, [^)]*\)"
    },
    "diff_unreported.sql": {"every leaf has both metrics": rf"\bcount\(({BOTH_KNOWN})\) ="},
    "diff_not_by_campaign.sql": {"a column that is not there is null by name": r"NULL::BIGINT AS \w+"},
    VIEWS: {
        "a statement of its own, in which each defect is planted": re.escape(sql.query("history").strip()),
        "what a day's profit ends at is never asked": (
            r"(?<=\('profit'), 0\.000001::DECIMAL\(7, 6\)\)(?=\s+\), values_now)|WHEN 'profit' THEN n\.profit\b"
        ),
    },
}
"""What makes no difference, by the reason why it makes none."""

AROUND = 10
"""So many characters before and after a match are its place in a loop: so the first of its terms, any other and the last differ."""

NAMED = re.compile(rf"(?<![a-z]){METRIC}(?![a-z_])")
LEFT_OPEN = {value: f"{{{{ {value} }}}}" for value in ("table", "changes", "campaign", "same_campaign")}


def made(name):
    """What a template says; its values are left to be filled in."""
    return sql.query(name.removesuffix(".sql"), **LEFT_OPEN)


def defects(name, text):
    """One defect of each kind for each place in a loop: what it is, and the whole text with it."""
    exempt = [match.span() for pattern in EQUIVALENT.get(name, {}).values() for match in re.finditer(pattern, text)]
    alike = defaultdict(list)
    for kind, patterns in KINDS.items():
        for pattern, broken in patterns:
            for match in re.finditer(pattern, text):
                if any(begin <= match.start() < end for begin, end in exempt) or line_of(text, match)[0].lstrip().startswith("--"):
                    continue
                alike[kind, *place(text, match)].append((kind, match, broken))
    for where, same in alike.items():
        kind, match, broken = same[crc32(repr(where).encode()) % len(same)]
        before, after = line_of(text, match)
        description = f"{kind}: {before[-60:].lstrip()}>>{match.group()}<<{after[:60]}"
        yield description, text[: match.start()] + match.expand(broken) + text[match.end() :]


def line_of(text, match):
    """What is before and after a match in its line."""
    return text[: match.start()].rpartition("\n")[2], text[match.end() :].partition("\n")[0]


def place(text, match):
    """What the matches of one loop have in common: the text around them but for the metrics, and the lines above that name none."""
    before, after = (NAMED.sub("m", part) for part in line_of(text, match))
    above = sum(not NAMED.search(line) for line in text[: match.start()].split("\n"))
    return above, before[-AROUND:], NAMED.sub("m", match.group()), after[:AROUND]


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
    for description, broken in defects(name, sound):
        if not noticed(broken):
            missed.append(description)

    assert missed == []


OF_STATES = {
    views: changes,
    remaining_views: remaining,
    delivery_views: delivered,
    unknown_views: unknown,
    estimates: estimated,
    cost_views: costs,
}
"""Looks at views, and the parts that leave what they look at."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_one_column_defect_of_a_view_is_noticed(new_workspace, build):
    planted, missed = 0, []
    with ExitStack() as stack:
        files = []
        for look, part in OF_STATES.items():
            workspace = new_workspace()
            assert not notices(part(workspace, build))
            database = stack.enter_context(duckdb.connect(workspace.path))
            find_tables(database)
            files.append((database, look))
        for statement in duckdb.extract_statements(made(VIEWS)):
            for description, broken in defects(VIEWS, statement.query):
                planted += 1
                if not any(breaks(database, broken, look) for database, look in files):
                    missed.append(description)

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
