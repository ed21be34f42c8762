import threading

import pytest
from waiting import PATIENCE_SECONDS

from storage.warehouse.one_thread import OneThread


def test_everything_runs_in_the_same_thread_whoever_asks():
    one, seen = OneThread("one"), []
    callers = [threading.Thread(target=lambda: seen.append(one.run(threading.get_ident))) for _ in range(20)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()

    assert len(seen) == 20
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_what_is_raised_reaches_whoever_asked_and_the_next_one_is_served():
    one = OneThread("one")

    with pytest.raises(KeyError, match="lost"):
        one.run(lambda: {}["lost"])
    with pytest.raises(SystemExit):
        one.run(lambda: (_ for _ in ()).throw(SystemExit))

    assert one.run(max, 3, 4) == 4


def test_what_was_worked_on_is_not_kept():
    import weakref  # noqa: PLC0415 - only here

    class Large:
        pass

    one, large = OneThread("one"), Large()
    gone = threading.Event()
    weakref.finalize(large, gone.set)
    one.run(lambda _: None, large)
    del large

    assert gone.wait(PATIENCE_SECONDS)
