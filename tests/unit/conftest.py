"""A fresh control plane for every test."""

import pytest
from fakes import SteppedClock
from plane import ControlPlane

from storage import control


@pytest.fixture
def clock():
    return SteppedClock()


@pytest.fixture
def plane(tmp_path, clock):
    engine = control.connect(f"sqlite:///{tmp_path / 'control.db'}")
    control.migrate(engine)
    yield ControlPlane(engine, clock)
    engine.dispose()
