"""Plants one-line defects in a copy of the product, one at a time; the tests that should catch each must go red.

A test that stays green with the product broken proves nothing. Each entry of ``defects.toml`` names a file, a line
of it (unique), what to put in its place, and the tests that must notice.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEFECTS = tomllib.loads((Path(__file__).parent / "defects.toml").read_text())["defect"]
FAILED, NO_TESTS = 1, 5


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    target = tmp_path_factory.mktemp("defects") / "product"
    ignored = shutil.ignore_patterns(".venv*", ".git", ".adpulse", ".demo", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def run(copy, tests, seconds=280):
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "slow or not slow", *tests]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=seconds, check=False)


@pytest.mark.slow
def test_at_least_twenty_defects_are_planted():
    assert len(DEFECTS) >= 20


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tests_are_green_without_a_defect(copy):
    tests = sorted({test for defect in DEFECTS for test in defect["tests"]})
    done = run(copy, tests, seconds=1700)

    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=[defect["name"] for defect in DEFECTS])
def test_defect_is_caught(copy, defect):
    path = copy / defect["file"]
    sound = path.read_text()
    assert sound.count(defect["line"]) == 1, f"the line is not unique in {defect['file']} (any more): {defect['line']}"
    try:
        path.write_text(sound.replace(defect["line"], defect["broken"]))
        done = run(copy, defect["tests"])
    finally:
        path.write_text(sound)

    assert done.returncode == FAILED, f"{defect['name']} was not caught:\n{done.stdout[-2000:]}"
