"""Several real workers of one installation, beside one Prefect server."""

import signal
import subprocess

from kills.workers import Workers
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

from adpulse import orchestrator
from adpulse.model import SyncStatus


class Fleet(Workers):
    """Several workers of one installation."""

    def __init__(self, home, sandbox, **variables):
        super().__init__(home, sandbox, **variables)
        self.environment["PYTHONFAULTHANDLER"] = "1"
        self.children = []

    def start_worker(self):
        super().start_worker()
        self.children.append(self.child)
        return self.child

    def start(self, *command):
        """Any other process of the installation; it prints into a file."""
        log = self.home / f"child-{len(self.children)}.log"
        with log.open("wb") as output:
            child = subprocess.Popen(command, env=self.environment, stdout=output, stderr=subprocess.STDOUT)
        self.children.append(child)
        return child

    def stop_all(self):
        """SIGTERM to all; their exit codes."""
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        codes = [self._code(child) for child in self.children]
        self.children.clear()
        return codes

    def _code(self, child):
        """A child's exit code; one that does not end prints the stacks of its threads first."""
        try:
            return child.wait(timeout=90)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGABRT)
            child.wait()
            printed = [*self.printed, *(line for log in sorted(self.home.glob("child-*.log")) for line in log.read_text().splitlines())]
            raise AssertionError(f"{child.args} did not end:\n" + "\n".join(printed[-150:])) from None

    def delete_waiting(self):
        """Flow runs that nobody took: the next test's installation counts its requests from one again, at the same server."""
        with get_client(sync_client=True) as client:
            wanted = FlowRunFilter.model_validate({"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}})
            for flow_run in client.read_flow_runs(flow_run_filter=wanted):
                client.delete_flow_run(flow_run.id)

    def tick(self, frequency):
        """A flow run as the group's schedule makes it, now; its id."""
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(orchestrator.deployment_name("meta", frequency))
            return client.create_flow_run_from_deployment(deployment.id).id

    def flow_run(self, flow_run):
        with get_client(sync_client=True) as client:
            return client.read_flow_run(flow_run)

    def final(self, flow_run):
        return self.flow_run(flow_run).state.is_final()

    def attempts(self, connections):
        return [self.app.connections.get(each.id).total_syncs_attempted for each in connections]

    def synced_now(self, connections):
        views = [self.app.connections.get(each.id) for each in connections]
        now = self.sandbox.clock.now()
        return all(view.sync_status is SyncStatus.IDLE and view.last_sync_completed_at == now and view.next_due_at > now for view in views)

    def synced(self, connections):
        views = [self.app.connections.get(each.id) for each in connections]
        return all(view.sync_status is SyncStatus.IDLE and view.last_sync_completed_at for view in views)
