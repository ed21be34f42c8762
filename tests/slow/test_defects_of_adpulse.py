"""Defects planted in ``adpulse/``; see planted.py."""

import pytest
from slow.planted import assert_caught, defects_of


@pytest.mark.parametrize("defect", defects_of("adpulse"))
def test_defect_is_caught(product, preloaded, defect):
    assert_caught(product, preloaded, defect)
