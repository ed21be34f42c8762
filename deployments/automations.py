"""Prefect automations for operators: stale connections, syncs that keep failing, runs whose worker is gone.

They show in Prefect's UI and its event feed. Whom to notify is the operator's to add there: an automation that is there already
keeps its actions, and whether it is switched on. Each event is evaluated by the server for some 60 ms, so nothing here follows
single syncs.
"""

from datetime import timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from adpulse.orchestrator import INSTALLATION, STALE
from adpulse.platforms.registry import PLATFORMS

FAILURES, WITHIN = 3, timedelta(hours=1)
"""So many flow runs of a deployment that failed in so short a time are told."""

SILENT_FOR = timedelta(minutes=9)
"""A run tells every three minutes that it lives."""

_FLOW_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
_OURS = {"prefect.resource.role": "flow", "prefect.resource.name": [f"{provider}-sync" for provider in PLATFORMS]}

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
            match_related=_OURS,
            for_each={"related:deployment:prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=FAILURES,
            within=WITHIN,
        ),
        actions=[DoNothing()],
    ),
    AutomationCore(
        name="adpulse: runs whose worker is gone",
        description="A run that has not told for nine minutes that it lives is set to Crashed; its connections' leases end by themselves.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=_FLOW_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT_FOR,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="It has not told for nine minutes that it lives.")],
    ),
)


async def install(client: PrefectClient) -> None:
    """Create what is missing, and bring the others' triggers up to date."""
    for wanted in AUTOMATIONS:
        found = await client.read_automations_by_name(wanted.name)
        if not found:
            await client.create_automation(wanted)
        for each in found:
            kept = {"actions": each.actions, "enabled": each.enabled}
            await client.update_automation(each.id, wanted.model_copy(update=kept))
