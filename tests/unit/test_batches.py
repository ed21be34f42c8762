"""How a flow run shares its connections among task runs."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from flows.sync import BATCHES, _batches


@examples(100)
@given(workspaces=st.lists(st.sampled_from("abc"), max_size=60))
def test_batches_are_in_the_order_of_their_first_sync_and_never_span_workspaces(workspaces):
    syncs = [SimpleNamespace(number=n, lease=SimpleNamespace(connection=SimpleNamespace(workspace_id=w))) for n, w in enumerate(workspaces)]
    batches = _batches(syncs)

    assert sorted(sync.number for batch in batches for sync in batch) == list(range(len(syncs)))
    assert [batch[0].number for batch in batches] == sorted(batch[0].number for batch in batches)
    for batch in batches:
        assert [sync.number for sync in batch] == sorted(sync.number for sync in batch)
        assert len({sync.lease.connection.workspace_id for sync in batch}) == 1
    assert len(batches) <= BATCHES + len(set(workspaces))
