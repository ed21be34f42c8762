"""The page about foreign clients is what their last run wrote, with the versions that are locked."""

import fnmatch
import re
from pathlib import Path

import pytest
from foreign import environments

from docs import write_foreign_clients as page

RESULTS = page.results()
LOCKS = sorted(path for name in ("requirements.lock", "package-lock.json") for path in environments.HERE.glob(f"*/{name}"))
READERS = {"superset"}
"""What reads published files, and no platform."""


def test_the_page_is_the_result_of_a_run():
    assert page.PAGE.read_text() == page.page(RESULTS), "run make test-foreign"


def test_the_page_has_every_locked_client_in_its_locked_version():
    locked = {name: environments.version(name) for name in {path.parent.name for path in LOCKS} - READERS}

    assert {client: result["version"] for client, result in RESULTS.items()} == locked, "run make test-foreign"


def test_nothing_that_a_client_read_differs_from_the_truth():
    assert [stream for result in RESULTS.values() for stream in result["streams"] if stream["result"] == "different"] == []


def test_every_refused_stream_has_a_reason():
    refused = [
        (client, stream["stream"], stream["says"])
        for client, result in RESULTS.items()
        for stream in result["streams"]
        if stream["result"] == "refused"
    ]

    assert [stream for stream in refused if not page.reason(*stream)] == []


def test_every_reason_for_a_gap_is_of_a_gap_that_a_client_met():
    met = {gap for result in RESULTS.values() for gap in result["gaps"]}

    assert [pattern for pattern in page.gaps() if not fnmatch.filter(met, pattern)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(environments.HERE)))
def test_a_clients_lock_pins_contents_and_names_no_registry(lock: Path):
    text = lock.read_text()

    assert "sha256:" in text or '"integrity": "sha512-' in text
    assert not re.search(r'"resolved"|index-url|find-links|https?://[^"]*(registry|pypi|npmjs)', text)
