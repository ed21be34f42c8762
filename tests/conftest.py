"""Every test starts without the environment's ADPULSE_ and PREFECT_ variables and reaches only loopback."""

import gc
import os
from functools import partial
from importlib.util import find_spec

import pytest
from hypothesis import settings

settings.register_profile("adpulse", deadline=None)  # machines are shared: how long an example takes says nothing
settings.load_profile("adpulse")


def forget():
    """Take ours and Prefect's variables from the environment; which there were."""
    found = [name for name in os.environ if name.startswith(("ADPULSE_", "PREFECT_"))]
    for name in found:
        del os.environ[name]
    return found


forget()
os.environ["DO_NOT_TRACK"] = "1"
os.environ["GRPC_VERBOSITY"] = "ERROR"  # its core writes every connection that a sandbox closes to standard error

if find_spec("grpc"):  # the storage tests run without it, too
    from trust import trust

    trust()  # before any test: gRPC reads its roots once, when the process opens its first secure channel


gc.set_threshold(5_000, 10, 10)  # seven times as seldom as usual: a test makes many objects, of which next to none are in cycles


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Looking through what is never freed, a million objects of modules and tests, was a tenth of the suite's processor time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server, started by the first test that wants it."""
    from postgres import Server  # noqa: PLC0415 - the storage tests run without its driver, too

    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory):
    """Makes home folders in which a Prefect server has nothing to migrate."""
    from migrated import home_with_prefect  # noqa: PLC0415 - the storage tests run without what it needs, too

    base = tmp_path_factory.getbasetemp()
    return partial(home_with_prefect, shared=(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "migrated")


@pytest.fixture
def installation(sandbox, tmp_path):
    """An installation in a folder of its own, against the sandbox of whoever asks."""
    from installation import Installation  # noqa: PLC0415 - the storage tests run without what it needs, too

    made = Installation(tmp_path / "home", sandbox)
    yield made
    made.close()
    sandbox.faults.clear()  # the next test may have the same sandbox


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """What the fixtures of a folder set in the environment ends with its tests: it would shape those that happen to come next."""
    done = yield
    if nextitem is None or nextitem.path.parent != item.path.parent:
        left = forget()
        assert not left, f"The tests of {item.path.parent} left {', '.join(left)} in the environment."
    return done


@pytest.fixture(autouse=True)
def _own_environment():
    """Whatever a test sets in the environment ends with it, and so does the umask: an installation closes its process's files."""
    before, mask = dict(os.environ), os.umask(0)
    os.umask(mask)
    yield
    os.umask(mask)
    os.environ.clear()
    os.environ.update(before)
