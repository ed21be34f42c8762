"""Private parts of dependencies: each use is in ``private_parts.toml``, with the version that was read, and is still there."""

import ast
import inspect
import re
import sys
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest
import uvicorn
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession
from google.ads.googleads.client import GoogleAdsClient
from google.auth.credentials import AnonymousCredentials
from prefect._internal.concurrency import services
from prefect.events.worker import EventsWorker
from prefect.flow_engine import run_flow_async
from prefect.logging.handlers import APILogWorker
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.workers.base import BaseWorker
from starlette.responses import FileResponse

ROOT = Path(__file__).parent.parent
TABLE = tomllib.loads((ROOT / "tests" / "private_parts.toml").read_text())
PARTS, CHECKED = TABLE["part"], TABLE["checked"]
PRODUCT = ("adpulse", "adpulse_sandbox", "storage", "tasks", "flows", "deployments")
NOT_OTHERS = {*PRODUCT, *sys.stdlib_module_names}
PUBLIC_OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC_OF_NAMED_TUPLES


class Uses:
    """The private parts of others that a module uses: their names in its syntax tree.

    They are modules with an underscore, attributes that the module does not define itself, what a class takes from the private part of a
    base class or puts in its place, and attributes that are set on an imported object.
    """

    def __init__(self, text):
        tree = ast.parse(text)
        self.imported = dict(_imports(tree))
        self.defined = {name for node in ast.walk(tree) for name in _defined(node)}
        self.found = {part for origin in self.imported.values() for part in ".".join(filter(None, origin)).split(".") if is_private(part)}
        for node in ast.walk(tree):
            self.found |= set(self._reached(node)) | set(self._set(node))
            if isinstance(node, ast.ClassDef):
                self.found |= set(self._inherited(node))

    def _reached(self, node):
        match node:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name) if is_private(name):
                yield name
            case ast.Attribute(attr=name) if is_private(name) and name not in self.defined and not _of_self(node):
                yield name

    def _set(self, node):
        match node:
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=owner), ast.Constant(str(name)), _]) if owner in self.imported:
                yield name
            case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Store()) if owner in self.imported:
                yield name

    def _inherited(self, node):
        bases = [base for base in map(self._class, node.bases) if base]
        own = {name for inner in ast.walk(node) for name in _defined(inner)}
        used = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute) and _of_self(inner)}
        for base in bases:
            theirs = {*dir(base), *getattr(base.__init__, "__code__", _inherited_init).co_names}
            yield from (name for name in (own & theirs) | (used - own) if is_private(name))

    def _class(self, base):
        """A base class that is another's, by what it was imported as."""
        root = base.value if isinstance(base, ast.Subscript) else base
        if not isinstance(root, ast.Name) or root.id not in self.imported:
            return None
        module, name = self.imported[root.id]
        return getattr(import_module(module), name)


_inherited_init = (lambda: None).__code__


def _of_self(node):
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def _imports(tree):
    """Names that are bound to others' modules and what is in them: the module, and the name in it."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [(alias.asname or alias.name.partition(".")[0], (alias.name, "")) for alias in names]
            case ast.ImportFrom(module=str(module), level=0, names=names):
                found = [(alias.asname or alias.name, (module, alias.name)) for alias in names]
            case _:
                continue
        yield from ((bound, origin) for bound, origin in found if origin[0].partition(".")[0] not in NOT_OTHERS)


def _defined(node):
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
            yield name


def relative(path):
    return str(path.relative_to(ROOT))


def test_every_private_part_that_the_product_uses_is_in_the_table():
    modules = [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]
    used = {(relative(path), name) for path in modules for name in Uses(path.read_text()).found}

    assert used == {(part["file"], name) for part in PARTS for name in part.get("names", ())}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from prefect._internal.concurrency import services", {"_internal"}),
        ("import prefect._internal.concurrency", {"_internal"}),
        ("from starlette.responses import _StarletteFile", {"_StarletteFile"}),
        ("import duckdb\nduckdb.connect()._closed", {"_closed"}),
        ("def f(client):\n    return client.session._pool", {"_pool"}),
        ("import uvicorn\nuvicorn.run = print", {"run"}),
        ("from uvicorn import Server\nsetattr(Server, 'serve', print)", {"serve"}),
        (
            "from starlette.responses import FileResponse\nclass F(FileResponse):\n    def _should_use_range(self, r): ...",
            {"_should_use_range"},
        ),
        ("from starlette.responses import FileResponse\nclass F(FileResponse):\n    def f(self): return super()._x()", {"_x"}),
        (
            "from starlette.responses import FileResponse\nclass F(FileResponse):\n    def f(self): return self._handle_simple",
            {"_handle_simple"},
        ),
        ("from prefect.workers.base import BaseWorker\nclass W(BaseWorker):\n    def f(self): self._limiter = 1", {"_limiter"}),
        ("from starlette.responses import FileResponse\nclass F(FileResponse):\n    def f(self): self._ours = 1", set()),
        ("class C:\n    def f(self, other): self._x = other._x", set()),
        ("def f(row): return row._replace(a=1), row.__class__", set()),
    ],
)
def test_a_use_of_a_private_part_is_found(text, found):
    assert Uses(text).found == found


@pytest.mark.parametrize("name", CHECKED)
def test_the_version_that_is_installed_and_locked_is_the_one_that_was_read(name):
    locks = [(ROOT / lock).read_text() for lock in ("requirements.lock", "requirements-runtime.lock")]
    locked = [re.search(rf"^{name}==(\S+)", lock, re.MULTILINE)[1] for lock in locks]
    again = "\n".join(f"- {part['file']}: {part['relies_on']} ({part['proof']})" for part in PARTS if part["distribution"] == name)

    assert [version(name), *locked] == [CHECKED[name]] * 3, f"Read these again in {name}, then note the version:\n{again}"


def test_every_part_has_a_version_a_file_and_proofs():
    assert {part["distribution"] for part in PARTS} == set(CHECKED)
    for part in PARTS:
        names, text = [*part.get("names", ()), *part.get("undocumented", ())], (ROOT / part["file"]).read_text()
        assert names != []
        assert [name for name in names if name not in text] == []
        assert [each for each in part["proof"].split(", ") if not (ROOT / each).is_file()] == []


def parameters(function):
    return list(inspect.signature(function).parameters)


def uses(function, *names):
    """Whether these names stand in the code of a function."""
    return set(names) <= {*function.__code__.co_names, *function.__code__.co_freevars}


def test_starlette_asks_the_method_about_if_range():
    assert parameters(FileResponse._should_use_range) == ["self", "http_if_range"]
    assert uses(FileResponse.__call__, "_should_use_range")


def test_prefects_queues_are_known_and_their_wait_at_exit_is_for_an_event():
    queue = services._QueueServiceBase

    assert issubclass(APILogWorker, queue)
    assert issubclass(EventsWorker, queue)
    assert parameters(APILogWorker.drain_all) == ["timeout", "at_exit"]
    assert uses(queue.__init__, "_active_services", "_loop", "_done_event")
    assert uses(queue._drain, "_done_event", "_loop")


def test_prefects_worker_polls_and_beats_by_the_methods_that_ours_replaces():
    assert parameters(BaseWorker._get_scheduled_flow_runs) == ["self"]
    assert uses(BaseWorker.__init__, "_submitting_flow_run_ids")
    assert uses(BaseWorker.get_and_submit_flow_runs, "_get_scheduled_flow_runs")
    assert uses(BaseWorker.start, "get_and_submit_flow_runs")
    assert uses(BaseWorker._sync_and_initialize, "sync_with_backend")


def test_prefects_engine_runs_a_flow_for_a_run_that_exists():
    assert {"flow", "flow_run", "parameters", "return_type"} <= set(parameters(run_flow_async))


def test_prefects_transactions_on_sqlite_begin_by_the_method_that_ours_replaces():
    assert parameters(AioSqliteConfiguration.begin_transaction) == ["self", "session", "with_for_update"]


def test_prefects_server_is_made_by_one_function():
    assert "final" in parameters(create_app)
    assert inspect.signature(create_app).parameters["webserver_only"].default is False


def test_uvicorn_takes_the_port_first_and_tells_whether_it_started():
    assert parameters(uvicorn.Config.bind_socket) == ["self"]
    assert uvicorn.Server(uvicorn.Config("nothing:app")).started is False


def test_metas_sdk_asks_at_the_address_of_the_session():
    assert FacebookSession.GRAPH.startswith("https://")
    assert uses(FacebookAdsApi.call, "_session", "GRAPH")


def test_googles_sdk_hands_out_its_channel():
    client = GoogleAdsClient(AnonymousCredentials(), use_proto_plus=False)

    assert callable(client.get_service("GoogleAdsService").transport.grpc_channel.unary_stream)


def test_duckdb_names_the_functions_of_a_query_it_parsed():
    (parsed,) = duckdb.execute("SELECT json_serialize_sql('SELECT lower(name) FROM daily')").fetchone()

    assert '"function_name":"lower"' in parsed
