"""What the planted defects share."""

import pytest
from slow.planted import copy_of_the_product


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return copy_of_the_product(tmp_path_factory.mktemp("defects") / "product")
