"""What the comparison with the truth finds in a warehouse that somebody changed: a proof that finds nothing must be able to."""

import duckdb
import pytest

DAY = "spend > 0 AND date = (SELECT max(date) - 3 FROM raw.metric_facts)"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (f"DELETE FROM raw.metric_changes WHERE {DAY}", {"changes", "intraday"}),
        (f"UPDATE raw.metric_facts SET spend = spend + 1000000 WHERE {DAY}", {"changes", "intraday"}),
        ("UPDATE raw.connections SET name = 'Another'", set()),
    ],
)
def test_a_history_that_does_not_end_at_what_is_stored_is_found(installation, change, found):
    connection = installation.synced("Corner Store 1")
    installation.published().chmod(0o600)
    with duckdb.connect(installation.published()) as copy:
        copy.execute(change)

    sentences = installation.history_differences(connection)

    assert {sentence.split()[0] for sentence in sentences} == found
