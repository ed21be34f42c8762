"""What the planted defects share."""

import pytest
from slow.planted import copy_of_the_product
from slow.preloaded import Preloaded


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return copy_of_the_product(tmp_path_factory.mktemp("defects") / "product")


@pytest.fixture(scope="module")
def preloaded(product):
    process = Preloaded(product)
    yield process
    process.close()
