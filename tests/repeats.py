"""Cells of a table that repeat one rule: which run with ``make test`` and which only with ``make test-slow``."""

import os

import pytest
from hypothesis import settings

LONGER = int(os.environ.get("LONGER", "1"))
"""How many times as many examples a property gets: set by ``make test-slow``."""


def first_quick(cells, count=1):
    """Parameters of which the first ``count`` are quick; the others go the same way and are slow."""
    parameters = [cell if isinstance(cell, tuple) else (cell,) for cell in cells]
    return [pytest.param(*cell, marks=() if number < count else pytest.mark.slow) for number, cell in enumerate(parameters)]


def examples(count, **options):
    """Hypothesis settings with ``count`` examples, ``LONGER`` times as many in the slow part."""
    return settings(max_examples=count * LONGER, **options)
