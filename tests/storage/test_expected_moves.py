"""Which of a young day's numbers are expected to change."""

import pytest

from storage.warehouse.expected_finals import ExpectedFinal


@pytest.mark.parametrize(("ends", "moves"), [((3_330_000,) * 3, False), ((3_330_000, 3_330_000, 3_340_000), True)])
def test_what_is_expected_differs_by_more_than_its_rounding(ends, moves):
    """The view has two decimals of what it expects."""
    low, expected, high = ends

    assert ExpectedFinal(metric="conversions", value=3_333_333, low=low, expected=expected, high=high, days=30).moves is moves
