"""Prefect automations for operators: stale connections, syncs that keep failing, runs whose worker has died.

They show in Prefect's UI and its event feed. Operators add actions there: an existing automation keeps its actions, and whether it
is enabled. The server needs some 60 ms to evaluate an event, so no automation follows single syncs.
"""

from datetime import timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from adpulse.orchestrator import INSTALLATION, STALE
from adpulse.platforms.registry import PLATFORMS

FAILURES, WITHIN = 3, timedelta(hours=1)
"""An automation fires when this many flow runs of a deployment fail within this time."""

SILENT_FOR = timedelta(minutes=9)
"""A flow run sends a heartbeat every three minutes."""

_FLOW_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
_OWN_FLOWS = {"prefect.resource.role": "flow", "prefect.resource.name": [f"{provider}-sync" for provider in PLATFORMS]}

AUTOMATIONS = (
    AutomationCore(
        name="adpulse: connections became stale",
        description="No sync of these connections completed for three intervals. Add an action to be notified.",
        trigger=EventTrigger(
            expect={STALE},
            match={"prefect.resource.id": INSTALLATION},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[DoNothing()],
    ),
    AutomationCore(
        name="adpulse: syncs keep failing",
        description=f"{FAILURES} runs of a deployment in which every connection failed, within an hour. Add an action to be notified.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=_FLOW_RUNS,
            match_related=_OWN_FLOWS,
            for_each={"related:deployment:prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=FAILURES,
            within=WITHIN,
        ),
        actions=[DoNothing()],
    ),
    AutomationCore(
        name="adpulse: runs whose worker is gone",
        description="A run without a heartbeat for nine minutes is set to Crashed; its connections' leases end by themselves.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=_FLOW_RUNS,
            match_related=_OWN_FLOWS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT_FOR,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="It has sent no heartbeat for nine minutes.")],
    ),
)


async def install(client: PrefectClient) -> None:
    """Create missing automations, and update the triggers of existing ones."""
    for automation in AUTOMATIONS:
        existing = await client.read_automations_by_name(automation.name)
        if not existing:
            await client.create_automation(automation)
        for stored in existing:
            preserved = {"actions": stored.actions, "enabled": stored.enabled}
            await client.update_automation(stored.id, automation.model_copy(update=preserved))
