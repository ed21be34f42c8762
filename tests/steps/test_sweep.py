"""The sweep of a worker whose predecessor, or neighbour, leads or is dead. Prefect is away, so what it asks comes to nothing."""

import subprocess
import sys

from sqlalchemy import func, select

from deployments.owner import died, this_process
from deployments.sweep import Sweep
from storage import control


def dead_process():
    """The name of a worker of this machine that is gone."""
    command = "import deployments.owner as owner; print(owner.this_process())"
    return subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()


def calls_counted(installation):
    with control.connect(installation.app.settings.control_url).begin() as session:
        return session.scalar(select(func.count()).select_from(control.CallRow))


def test_a_dead_leader_of_this_machine_is_followed_at_once(installation):
    gone = dead_process()
    installation.app.leadership.take("sweep", gone)

    Sweep(installation.app).once()

    assert died(gone)
    assert installation.app.leadership.leader("sweep") == this_process()


def test_a_leader_of_another_machine_keeps_its_term(installation):
    installation.app.leadership.take("sweep", "elsewhere-1")

    Sweep(installation.app).once()

    assert not died("elsewhere-1")
    assert installation.app.leadership.leader("sweep") == "elsewhere-1"


def test_only_the_leader_prunes_and_everyone_clears_its_own_files(installation, sandbox):
    connection = installation.connect("Corner Store 1")
    installation.sync(connection)
    left = installation.app.settings.home / "staging" / "a-closed-run"
    sandbox.clock.advance(3 * 24 * 3600)
    installation.app.leadership.take("sweep", "elsewhere-1")
    left.mkdir(parents=True)

    Sweep(installation.app).once()
    kept = calls_counted(installation)
    installation.app.leadership.give_up("sweep", "elsewhere-1")
    Sweep(installation.app).once()

    assert kept > 0
    assert calls_counted(installation) == 0
    assert not left.exists()
