"""The rules of the house that no linter knows."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from adpulse.platforms.registry import PLATFORMS

ROOT = Path(__file__).parent.parent
PACKAGES = ("adpulse", "adpulse_sandbox", "storage", "tasks", "flows", "deployments")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_SCRIPT = 200
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYERS = [
    module
    for contract in PROJECT["tool"]["importlinter"]["contracts"]
    if contract["type"] == "layers"
    for layer in contract["layers"]
    for module in re.split(r" [|:] ", layer)
]
FORBIDDEN_STEMS = {"utils", "helpers", "manager", "util", "common", "misc"}


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "docs").glob("*.py"))], ids=relative)
def test_module_is_short_and_has_a_docstring(path):
    text = path.read_text()

    assert len(text.splitlines()) <= LONGEST_MODULE
    assert ast.get_docstring(ast.parse(text))


def test_the_pages_script_is_short_and_the_only_one():
    (script,) = (ROOT / "adpulse" / "api" / "pages" / "static").glob("*.js")

    assert len(script.read_text().splitlines()) <= LONGEST_SCRIPT


def test_no_module_is_named_like_a_drawer_for_everything():
    assert [relative(path) for path in MODULES if path.stem in FORBIDDEN_STEMS] == []


def test_no_top_level_module_shadows_a_dependency_or_the_standard_library():
    stems = {path.stem for package in PACKAGES[2:] for path in (ROOT / package).glob("*.py")} - {"__init__"}
    tops = set(sys.stdlib_module_names) | {"google", "prefect", "duckdb", "pandas", "pyarrow", "sqlalchemy", "facebook_business", "test"}

    assert stems & tops == set()


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_is_in_exactly_one_layer_of_the_import_contract():
    """The package adpulse itself can be in none, because it holds several layers; what it offers is imported when it is used."""
    modules = [dotted(path) for path in MODULES if dotted(path) != "adpulse"]
    layers_of = {name: [layer for layer in LAYERS if name == layer or name.startswith(f"{layer}.")] for name in modules}

    assert {name: layers for name, layers in layers_of.items() if len(layers) != 1} == {}
    statements = ast.parse((ROOT / "adpulse" / "__init__.py").read_text()).body
    assert [node.module for node in statements if isinstance(node, ast.Import | ast.ImportFrom)] == ["typing"]


@pytest.fixture(scope="module")
def copied_packages(tmp_path_factory):
    root = tmp_path_factory.mktemp("contracts")
    shutil.copy(ROOT / "pyproject.toml", root)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def lint_imports(root):
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)


def test_the_import_contracts_hold(copied_packages):
    done = lint_imports(copied_packages)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("storage/control/runs.py", "from adpulse import presentation"),
        ("storage/control/runs.py", "from adpulse.services import pull"),
        ("storage/control/runs.py", "import prefect"),
        ("storage/control/runs.py", "import duckdb"),
        ("storage/warehouse/diff.py", "from storage.control import runs"),
        ("adpulse/model.py", "from adpulse import events"),
        ("adpulse/fetch_result.py", "from adpulse import missing_entities"),
        ("adpulse/platforms/base.py", "from adpulse import orchestrator"),
        ("adpulse/bootstrap.py", "from adpulse import orchestrator"),
        ("adpulse/presentation.py", "import duckdb"),
        ("adpulse/platforms/google/normalise.py", "import grpc"),
        ("adpulse/platforms/meta/lookup.py", "import facebook_business"),
        ("adpulse/api/health.py", "import adpulse_sandbox"),
        ("adpulse_sandbox/control.py", "from adpulse import entity_names"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(copied_packages, file, planted):
    sound = (copied_packages / file).read_text()
    try:
        (copied_packages / file).write_text(f"{sound}\n{planted}\n")
        done = lint_imports(copied_packages)
    finally:
        (copied_packages / file).write_text(sound)

    assert done.returncode == 1
    assert dotted(ROOT / file) in done.stdout


def test_annotations_stay_real_for_prefect_and_pydantic():
    lazy = [relative(path) for path in MODULES if "from __future__ import annotations" in path.read_text()]

    assert lazy == []


def test_every_suppression_of_a_checker_says_why():
    bare = [
        f"{relative(path)}:{number}"
        for path in [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"# (?:noqa|type: ignore)", line)
        and not re.search(r"# (?:noqa: [A-Z0-9, ]+|type: ignore\[[\w, -]+\]) +(?:#|-) *\w+", line)
    ]

    assert bare == []


@pytest.mark.parametrize(
    "name",
    [
        "requirements.lock",
        "requirements-runtime.lock",
        "requirements-duckdb2.lock",
        "requirements-prefect38.lock",
        "requirements-notebooks.lock",
        "dbt/requirements.lock",
    ],
)
def test_the_lock_names_no_address(name):
    lock = (ROOT / name).read_text()

    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links", lock)


def test_help_answers_without_importing_what_is_heavy():
    program = (
        "import sys; sys.argv = ['adpulse', '--help']\n"
        "import adpulse.cli\n"
        "try: adpulse.cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('prefect', 'pandas', 'pyarrow', 'duckdb', 'sqlalchemy', 'facebook_business', 'grpc') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_worker_does_not_import_pandas():
    program = (
        "import sys; from deployments.footprint import keep_small; keep_small()\n"
        "import deployments.worker, flows.meta_sync, pyarrow; pyarrow.array([1])\n"
        "print(any(name.startswith('pandas.') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.split()[-1] == "False"


def test_the_worker_keeps_out_of_arrows_own_pool():
    """It keeps what is freed, and writing a file takes from it whatever pyarrow was told."""
    program = (
        "from deployments.footprint import keep_small; keep_small()\n"
        "import deployments.worker, flows.meta_sync, io, pyarrow as pa\n"
        "table = pa.table({'a': [1]})\n"
        "with pa.ipc.new_file(io.BytesIO(), table.schema) as writer: writer.write_table(table)\n"
        "print(pa.mimalloc_memory_pool().max_memory(), pa.default_memory_pool().max_memory() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.split()[-2:] == ["0", "True"]


def test_a_worker_that_loads_arrow_too_early_does_not_start():
    program = "import pyarrow; from deployments.footprint import keep_small; keep_small()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.stderr.splitlines()[-1] == "RuntimeError: pyarrow was imported before keep_small."


NAMED = {
    "adpulse/cli/services.py": "the command that starts the sandbox, which is of both platforms",
    "adpulse/cli/demo.py": "shows both platforms",
    "adpulse/cli/sandboxed.py": "points an installation at a sandbox of both",
    "adpulse/cli/demo_run.py": "the same",
    "flows/meta_sync.py": "the flow's name and entrypoint",
    "flows/google_sync.py": "the same",
}
"""Modules that name a platform, and why."""


def names_of_platforms(path):
    """Where a module names a platform: as text, as a setting or variable, or by importing its folder."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Constant(str(text)) if text in PLATFORMS:
                yield node.lineno
            case ast.ImportFrom(module=str(module)) if module.startswith(tuple(f"adpulse.platforms.{name}" for name in PLATFORMS)):
                yield node.lineno
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.keyword(arg=str(name)) if name.startswith(("meta_", "google_")):
                if name != "meta_path":  # the import system's
                    yield node.lineno


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if not relative(path).startswith(("adpulse/platforms/", "adpulse_sandbox/", "storage/control/migrations/"))],
    ids=relative,
)
def test_only_the_platforms_folders_name_a_platform(path):
    named = [f"{relative(path)}:{line}" for line in names_of_platforms(path)]

    assert named == [] or relative(path) in NAMED


def test_every_module_that_may_name_a_platform_does():
    assert [name for name in NAMED if not list(names_of_platforms(ROOT / name))] == []


READ = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"), ("time", "time_ns")}
"""How a program asks the machine what time it is. ``time.monotonic`` tells no time: it measures within one process."""

CLOCKS = {
    "adpulse/clock.py": "the real clock itself",
    "adpulse/bootstrap.py": "gives it to everything else",
    "deployments/instance.py": "says since when a process runs, before there is an App",
    "deployments/prefect_process.py": "gives it to the server's logins, in a process without an App",
    "adpulse/cli/sandboxed.py": "sets the clock of a sandbox to it",
    "adpulse/services/restoring_backups.py": "names files that are put aside, before there is an App",
    "storage/warehouse/analytics.py": "compares with the file system's own times",
    "storage/warehouse/damage.py": "names a file that is put aside",
}
"""Modules that ask the machine what time it is, and why. The others are given a clock or an instant, so that a test can move it."""


def reads_of_the_machines_clock(text):
    """Where a module asks the machine what time it is."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name) if (owner, name) in READ:
                yield node.lineno
            case ast.ImportFrom(module=str(module), names=names) if any((module, each.name) in READ for each in names):
                yield node.lineno
            case ast.Call(func=ast.Name(id="SystemClock") | ast.Attribute(attr="SystemClock")):
                yield node.lineno


@pytest.mark.parametrize("path", [path for path in MODULES if not relative(path).startswith("adpulse_sandbox/")], ids=relative)
def test_real_time_comes_from_the_clock_that_is_given(path):
    found = [f"{relative(path)}:{line}" for line in reads_of_the_machines_clock(path.read_text())]

    assert bool(found) is (relative(path) in CLOCKS), found


def test_every_store_has_the_real_clock_of_its_app():
    """The type of both clocks is the same, so no type checker would notice the other one."""
    assert set(re.findall(r"\bwall=([\w.]+)", (ROOT / "adpulse" / "bootstrap.py").read_text())) == {"wall"}


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("made_at = datetime.now(UTC)", True),
        ("made_at = datetime.datetime.utcnow()", True),
        ("made_at: datetime = field(default_factory=datetime.now)", True),
        ("today = date.today()", True),
        ("began = time.time()", True),
        ("from time import time_ns", True),
        ("wall = SystemClock()", True),
        ("began = time.monotonic()", False),
        ("now = self._wall.now()", False),
        ("def taken(now: datetime, wall: SystemClock) -> None: ...", False),
    ],
)
def test_a_look_at_the_machines_clock_is_found(line, reads):
    assert bool(list(reads_of_the_machines_clock(line))) is reads


WHOLE_APP = {
    "adpulse/api/pages/login.py:log_in_once": "a route: FastAPI injects the installation, and nothing smaller",
}
"""Functions that take an App although they use one thing of it, and what forces that."""


def uses(scope, is_app):
    """The attributes of the App that a scope reads, and whether it passes the App itself on."""
    reads = [node for node in ast.walk(scope) if isinstance(node, ast.Attribute) and is_app(node.value)]
    mentions = [node for node in ast.walk(scope) if is_app(node) and isinstance(node.ctx, ast.Load)]
    return {node.attr for node in reads}, len(mentions) > len(reads)


def owners_of(tree):
    """Every function with the class it is a method of, if it is one."""
    classes = {method: owner for owner in ast.walk(tree) if isinstance(owner, ast.ClassDef) for method in owner.body}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(function, classes.get(function)) for function in functions]


def needless_apps(text):
    """Names of functions that take an App but use fewer than two of its attributes and do not pass it on.

    An App that a constructor keeps is judged by what the class's methods use of it.
    """
    for function, owner in owners_of(ast.parse(text)):
        for parameter in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]:
            if parameter.annotation is None or not re.search(r"\b(App|Installation)\b", ast.unparse(parameter.annotation)):
                continue
            attributes, passed = uses(function, lambda node, name=parameter.arg: isinstance(node, ast.Name) and node.id == name)
            if owner is not None and function.name == "__init__":
                attributes, passed = uses(owner, lambda node: isinstance(node, ast.Attribute) and node.attr == "_app")
            if len(attributes) < 2 and not passed:
                yield function.name


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_function_takes_what_it_uses_and_not_the_whole_app(path):
    found = [f"{relative(path)}:{name}" for name in needless_apps(path.read_text())]

    assert [name for name in found if name not in WHOLE_APP] == []


def test_every_function_that_may_take_the_whole_app_does():
    assert [name for name in WHOLE_APP if name.split(":")[1] not in needless_apps((ROOT / name.split(":")[0]).read_text())] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(app: App): return app.runs.get(1)", ["f"]),
        ("def f(app: App): return app.runs.get(1), app.runs.find(2)", ["f"]),
        ("def f(app: App): return app.runs, app.leases", []),
        ("def f(app: App): return app.runs, g(app)", []),
        ("def f(app: App): return partial(g, app)", []),
        ("def f(*, installation: 'App | None'): return installation.keys", ["f"]),
        ("async def f(installation: Installation): return installation.keys", ["f"]),
        ("class C:\n    def __init__(self, app: App): self._app = app\n    def f(self): return self._app.runs", ["__init__"]),
        ("class C:\n    def __init__(self, app: App): self._app = app\n    def f(self): return self._app.runs, self._app.clock", []),
        ("class C:\n    def __init__(self, app: App): self._app = app\n    def f(self): return g(self._app)", []),
        ("def f(app: FastAPI): return app.routes", []),
    ],
)
def test_an_app_that_is_taken_whole_for_one_thing_is_found(text, names):
    assert list(needless_apps(text)) == names
