"""The HTTP API's document against a real server, with many more requests of each route than the ordinary tests send."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1800)
def test_hundreds_of_requests_of_each_route_are_answered_as_documented():
    command = [sys.executable, "-m", "pytest", "-q", "tests/api/test_schemathesis.py"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "FUZZING_EXAMPLES": "300"}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-5000:]
