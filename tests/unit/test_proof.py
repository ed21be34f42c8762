"""docs/proof.md is what docs/proof.toml says, and its tests exist."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from docs import write_proof

ROOT = Path(__file__).parents[2]
PROMISES = write_proof.promises()


def test_the_page_is_what_the_command_writes():
    assert write_proof.PAGE.read_text() == write_proof.page(PROMISES), "run make proof"


def test_every_test_that_shows_a_promise_exists():
    assert write_proof.missing_tests(PROMISES) == []


@pytest.mark.parametrize(
    "test", ["tests/unit/test_proof.py::test_that_is_not_there", "tests/none.py::test_any", "tests/unit/test_proof.py"]
)
def test_a_test_that_does_not_exist_is_found(test):
    assert write_proof.missing_tests([replace(PROMISES[0], tests=(test,))]) == [test]


def test_a_date_on_a_real_account_is_shown_and_counted():
    page = write_proof.page([replace(PROMISES[0], real=date(2026, 12, 24)), *PROMISES[1:]])

    assert f"1 of these {len(PROMISES)} promises was shown on a real account." in page
    assert re.search(r"^\| .* \| 2026-12-24 \|$", page, re.MULTILINE)


def test_an_entry_without_a_date_or_never_is_refused(tmp_path, monkeypatch):
    (tmp_path / "proof.toml").write_text('[[promise]]\nwords = "all"\ntests = ["tests/unit/test_proof.py::test_x"]\nreal = "soon"\n')
    monkeypatch.setattr(write_proof, "SOURCE", tmp_path / "proof.toml")

    with pytest.raises(ValueError, match="'all' needs a test, and a date"):
        write_proof.promises()


def test_no_promise_is_listed_twice():
    words = [promise.words for promise in PROMISES]

    assert len(words) == len(set(words)) > 20


def test_the_readme_says_what_was_never_shown():
    readme = (ROOT / "README.md").read_text()
    never = all(promise.real == "never" for promise in PROMISES)

    assert ("Nothing was shown on a real account yet" in readme) is never
    assert "[docs/proof.md](docs/proof.md)" in readme
