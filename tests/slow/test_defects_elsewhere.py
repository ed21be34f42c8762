"""Defects planted in the other parts of the product, in the sandbox and in what tests rely on; see planted.py."""

import pytest
from slow.planted import DEFECTS, assert_caught, defects_of

OTHERS = sorted({defect["file"].split("/")[0] for defect in DEFECTS} - {"adpulse", "storage"})


@pytest.mark.parametrize("defect", defects_of(*OTHERS))
def test_defect_is_caught(product, preloaded, defect):
    assert_caught(product, preloaded, defect)


def test_every_line_is_unique_and_every_test_is_there(pytestconfig):
    """Quick, so that a change of a line finds its defect at once."""
    root = pytestconfig.rootpath
    lines = [(defect["name"], (root / defect["file"]).read_text().count(defect["line"])) for defect in DEFECTS]
    named = {test.split("[")[0] for defect in DEFECTS for test in defect["tests"]}

    assert [name for name, count in lines if count != 1] == []
    assert [test for test in sorted(named) if not _is_there(root, *test.split("::"))] == []
    assert len({defect["name"] for defect in DEFECTS}) == len(DEFECTS)


def _is_there(root, file, name=None):
    path = root / file
    return path.exists() and (name is None or f"def {name}(" in path.read_text())
