"""The sandbox as a wheel of its own: what is in it, what it needs, and the guide for authors of connectors."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from test_dependencies import name_of, used_by

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "packages" / "adpulse-sandbox"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
ADPULSE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs" / "howto" / "test-your-connector.md").read_text()
IMPORTED_BY_NAME = {
    "google-ads": "the sandbox imports the protos of the version that is called",
    "protobuf": "the protos' own",
    "tzdata": "data that zoneinfo reads",
}
"""Dependencies that no statement imports, and who uses them."""

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, as setuptools writes into the folder that it builds."""
    copied = tmp_path_factory.mktemp("repository")
    for folder in ("adpulse_sandbox", "packages/adpulse-sandbox"):
        shutil.copytree(ROOT / folder, copied / folder, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    built = copied / "dist"
    subprocess.run(
        [
            UV,
            "build",
            "--quiet",
            "--no-build-isolation",
            "--python",
            sys.executable,
            "--wheel",
            copied / "packages/adpulse-sandbox",
            "--out-dir",
            built,
        ],
        check=True,
    )
    return next(built.glob("*.whl"))


def test_the_wheel_has_all_of_the_sandbox_and_the_plugin_and_nothing_else(wheel):
    files = [path for path in (ROOT / "adpulse_sandbox").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    expected = {str(path.relative_to(ROOT)) for path in files} | {"adpulse_sandbox_pytest.py"}

    assert {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name} == expected


def test_it_declares_what_the_sandbox_imports_with_adpulses_bounds():
    trees = [ast.parse(path.read_text()) for path in (ROOT / "adpulse_sandbox").rglob("*.py")]
    bounds = {name_of(requirement): requirement for requirement in ADPULSE["dependencies"]}

    assert {name_of(requirement) for requirement in PROJECT["dependencies"]} == used_by(trees) | set(IMPORTED_BY_NAME)
    assert PROJECT["dependencies"] == [bounds[name_of(requirement)] for requirement in PROJECT["dependencies"]]
    assert (PROJECT["version"], PROJECT["requires-python"]) == (ADPULSE["version"], ADPULSE["requires-python"])


def locked(names):
    """The part of the project's lock that these distributions and their own dependencies need."""
    wanted = [option for name in names for option in ("--package", name)]
    tree = subprocess.run([UV, "pip", "tree", "--python", sys.executable, *wanted], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])? v\d", tree))
    entries = re.findall(r"^(([\w.-]+)(?:\[[^]]*\])?==.*\n(?:    .*\n)*)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return "".join(entry for entry, name in entries if name in needed)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An empty environment with the wheel and pytest, of the locked versions, which uv has cached for the project."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    lock = folder.parent / "requirements.lock"
    lock.write_text(locked([*map(name_of, PROJECT["dependencies"]), "pytest"]))
    python = folder / "bin" / "python"
    options = ("--quiet", "--python")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run([UV, "pip", "sync", *options, python, lock], check=True)
    subprocess.run([UV, "pip", "install", "--no-deps", *options, python, wheel], check=True)
    subprocess.run([UV, "pip", "check", "--quiet", "--python", python], check=True)
    return python


def test_it_installs_nothing_of_the_product(environment, tmp_path):
    program = "from importlib.metadata import distributions; print(*(distribution.name for distribution in distributions()))"
    done = subprocess.run([environment, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    installed = set(done.stdout.lower().split())

    assert "adpulse-sandbox" in installed
    assert installed & {"adpulse", "prefect", "duckdb", "sqlalchemy", "facebook-business"} == set()


def test_the_guides_connector_passes_the_guides_tests(environment, tmp_path):
    files = re.findall(r"^```python (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for name, text in files:
        (tmp_path / name).write_text(text)

    done = run_tests(environment, tmp_path)

    assert {name for name, _ in files} == {"connector.py", "test_connector.py"}
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_guides_tests_fail_a_connector_that_is_wrong(environment, tmp_path):
    for name, text in re.findall(r"^```python (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(text.replace('rows += page["data"]', 'rows = page["data"]'))

    done = run_tests(environment, tmp_path)

    assert "2 failed" in done.stdout, done.stdout + done.stderr


def test_every_test_begins_without_the_faults_calls_and_time_of_the_test_before(environment, tmp_path):
    (tmp_path / "test_state.py").write_text(
        """
import pytest

@pytest.mark.parametrize("turn", range(2))
def test_state(ad_sandbox, turn):
    world = ad_sandbox.sandbox.world
    assert (ad_sandbox.faults.as_json(), ad_sandbox.calls.calls(None), ad_sandbox.clock.now()) == ([], [], world.beginning)
    ad_sandbox.faults.add([{"action": "throttle"}])
    ad_sandbox.clock.advance(3600)
"""
    )

    done = run_tests(environment, tmp_path)

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def run_tests(python, folder):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GOOGLE_ADS_", "GRPC_"))}
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
