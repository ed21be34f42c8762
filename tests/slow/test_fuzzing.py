"""What the ordinary tests try with a few examples, with many more: requests of the HTTP API, and odd answers of the platforms."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def fuzzed(tests, examples):
    command = [sys.executable, "-m", "pytest", "-q", tests]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "FUZZING_EXAMPLES": examples}, capture_output=True, text=True, check=False)


@pytest.mark.timeout(1800)
def test_hundreds_of_requests_of_each_route_are_answered_as_documented():
    done = fuzzed("tests/api/test_schemathesis.py", "300")

    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.timeout(1800)
def test_thousands_of_odd_bodies_and_headers_cost_no_more_than_their_answer():
    done = fuzzed("tests/contract/test_odd_answers.py", "2000")

    assert done.returncode == 0, done.stdout[-5000:]
