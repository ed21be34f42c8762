"""Creates or updates the work pool, its queues, the automations and every deployment of ``prefect.yaml``."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, VariableCreate, VariableUpdate, WorkPoolCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema

from adpulse.prefect_schedules import INTERVAL, VARIABLE, Marks, is_changed, marks_of
from deployments import automations
from deployments.schedules import QUEUES
from deployments.worker import WarmWorker, load_flow

PREFECT_YAML = Path(__file__).with_name("prefect.yaml")


async def deploy(pool: str, pool_type: str = WarmWorker.type) -> list[str]:
    """Deploy everything into ``pool``; returns the deployments' names. Existing schedules stay active or inactive."""
    document = yaml.safe_load(PREFECT_YAML.read_text())
    async with get_client() as client:
        await _pool(client, pool, pool_type)
        await automations.install(client)
        marks = await _marks(client)
        names = [await _deployment(client, entry, pool, marks) for entry in document["deployments"]]
        await _mark(client, marks)
        return names


async def _pool(client: PrefectClient, pool: str, pool_type: str) -> None:
    """Create the pool and its queues with their priorities, before a deployment creates a queue without priority."""
    template = WarmWorker.get_default_base_job_template() if pool_type == WarmWorker.type else {}
    with contextlib.suppress(ObjectAlreadyExists):
        await client.create_work_pool(WorkPoolCreate(name=pool, type=pool_type, base_job_template=template))
    for name, priority in QUEUES.items():
        try:
            queue = await client.create_work_queue(name.value, work_pool_name=pool, priority=priority)
        except ObjectAlreadyExists:
            queue = await client.read_work_queue_by_name(name.value, work_pool_name=pool)
        if queue.priority != priority:
            await client.update_work_queue(queue.id, priority=priority)


async def _deployment(client: PrefectClient, entry: dict[str, Any], pool: str, marks: Marks) -> str:
    flow = load_flow(entry["entrypoint"])
    name = f"{flow.name}/{entry['name']}"
    existing = await _existing(client, name)
    if existing is None:
        marks.pop(name, None)
    mark = marks.setdefault(name, {})
    schedules = [_schedule(schedule, existing or {}, mark) for schedule in entry.get("schedules", [])]
    for schedule in entry.get("schedules", []):
        mark[INTERVAL] = float(schedule["interval"])
    await client.create_deployment(
        flow_id=await client.create_flow_from_name(flow.name),
        name=entry["name"],
        description=entry["description"],
        entrypoint=entry["entrypoint"],
        parameters=entry.get("parameters", {}),
        parameter_openapi_schema=parameter_schema(flow).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        schedules=schedules,
        tags=entry["tags"],
        work_pool_name=pool,
        work_queue_name=entry["work_pool"]["work_queue_name"],
        # Without pull steps Prefect's process worker copies the whole folder for each run, although the flows are installed.
        # The folder is the one of this command, so that a relative ADPULSE_HOME is the same home there.
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": os.fspath(Path.cwd())}}],
    )
    return str(entry["name"])


def _schedule(entry: dict[str, Any], existing: Mapping[str, DeploymentSchedule], mark: dict[str, Any]) -> DeploymentScheduleCreate:
    """The schedule of ``prefect.yaml``; one that exists stays on or off, and keeps the interval that somebody gave it in Prefect."""
    own = IntervalSchedule(interval=entry["interval"], anchor_date=entry["anchor_date"])
    before = existing.get(entry["slug"])
    if before is None:
        return DeploymentScheduleCreate(schedule=own, active=entry["active"], slug=entry["slug"])
    kept = before.schedule if is_changed(before, mark) else own
    return DeploymentScheduleCreate(schedule=kept, active=before.active, slug=entry["slug"])


async def _existing(client: PrefectClient, name: str) -> dict[str, DeploymentSchedule] | None:
    """A deployment's schedules by their slugs; None if it does not exist."""
    try:
        deployment = await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None
    return {str(schedule.slug): schedule for schedule in deployment.schedules}


async def _marks(client: PrefectClient) -> Marks:
    variable = await client.read_variable_by_name(VARIABLE)
    return marks_of(variable.value if variable else None)


async def _mark(client: PrefectClient, marks: Marks) -> None:
    try:
        await client.create_variable(VariableCreate(name=VARIABLE, value=marks))
    except ObjectAlreadyExists:
        await client.update_variable(VariableUpdate(name=VARIABLE, value=marks))
