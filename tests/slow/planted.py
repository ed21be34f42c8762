"""Plants one-line defects in a copy of the product, one at a time; the tests that should catch each must go red.

A test that stays green with the product broken proves nothing. Each entry of ``defects.toml`` names a file, a line of it (unique), what to
put in its place, and the tests that must notice. Without a defect these tests are green, as they are run by ``make test-slow`` themselves.
The entries are in a file of tests for each part of the product, so that processes share them.
"""

import os
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEFECTS = tomllib.loads((Path(__file__).parent / "defects.toml").read_text())["defect"]
_FAILED = 1


def copy_of_the_product(target):
    """The product and its tests in a folder where one may be broken."""
    ignored = shutil.ignore_patterns(".venv*", ".git", ".adpulse", ".demo", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def defects_of(*folders):
    """Parameters: the defects in these top folders."""
    return [
        pytest.param(defect, id=defect["name"], marks=pytest.mark.slow) for defect in DEFECTS if defect["file"].split("/")[0] in folders
    ]


def assert_caught(product, preloaded, defect):
    """Break the line, see the named tests fail, and put it back."""
    path = product / defect["file"]
    sound, written = path.read_text(), path.stat()
    assert sound.count(defect["line"]) == 1, f"the line is not unique in {defect['file']} (any more): {defect['line']}"
    options = ("-q", "-x", "-p", "no:cacheprovider", "-m", "slow or not slow")
    try:
        path.write_text(sound.replace(defect["line"], defect["broken"]))
        status, output = preloaded.pytest(*options, *defect["tests"], seconds=280)
    finally:
        path.write_text(sound)
        os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))  # what was compiled of the broken text is not taken for this one's

    assert status == _FAILED, f"{defect['name']} was not caught:\n{output[-2000:]}"
