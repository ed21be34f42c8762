"""A wheel has everything: installed into an empty environment, it does in an empty folder what the checkout does."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from probing_rig import use_sandbox
from running import processes_of

from adpulse_sandbox import Sandbox

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("adpulse", "adpulse_sandbox", "storage", "tasks", "flows", "deployments")
UV = Path(sys.executable).with_name("uv")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the checkout, as building writes beside the sources."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    for name in ("pyproject.toml", "prefect.yaml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", built, source])
    (path,) = built.glob("*.whl")
    return path


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    names = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert names - set(zipfile.ZipFile(wheel).namelist()) == set()


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the locked dependencies and the wheel, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    python = folder / "bin" / "python"
    run([UV, "venv", "-q", "--python", sys.executable, folder])
    run([UV, "pip", "sync", "-q", "--python", python, ROOT / "requirements-runtime.lock"])
    run([UV, "pip", "install", "-q", "--python", python, "--no-deps", wheel])
    return folder


@pytest.mark.timeout(900)
def test_the_demo_runs_from_the_wheel_in_an_empty_folder(environment, tmp_path):
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    report = tmp_path / "report.json"

    run([environment / "bin" / "adpulse", "demo", "--report", report], cwd=tmp_path, env=variables, timeout=800)

    differences = json.loads(report.read_text())["truth_differences"]
    imported = run([environment / "bin" / "python", "-c", "import deployments.deploy as d; print(d.PREFECT_YAML)"], cwd=tmp_path)
    assert differences == 0
    assert str(environment) in imported
    assert processes_of(tmp_path) == []


@pytest.mark.timeout(900)
def test_a_stranger_probes_an_account_from_the_wheel_alone(wheel, tmp_path):
    """As docs/howto/probe.md has it (`uvx` is `uv tool run`), in an empty folder and without a home."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ADPULSE_", "PREFECT_", "PYTHON", "VIRTUAL_"))}
    tools = {"UV_TOOL_DIR": str(tmp_path / "tools")}
    folder = tmp_path / "empty"
    folder.mkdir()
    command = [UV, "tool", "run", "-q", "--python", sys.executable, "--constraints", ROOT / "requirements-runtime.lock", "--from", wheel]
    with Sandbox.start() as sandbox:
        use_sandbox(sandbox, variables.__setitem__)
        token = sandbox.world.token("full").value

        told = run([*command, "adpulse", "probe", "meta"], cwd=folder, env=variables | tools, input=f"{token}\n", timeout=800)

    assert "adpulse-probe/report.md: everything that was asked is as assumed." in told
    assert [path.name for path in folder.iterdir()] == ["adpulse-probe"]
    assert "## Conversions, ours beside the platform's" in (folder / "adpulse-probe" / "report.md").read_text()
