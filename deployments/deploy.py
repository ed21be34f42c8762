"""Creates or updates the work pool, its queues, the automations and every deployment of ``prefect.yaml``."""

import contextlib
import os
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema

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
        return [await _deployment(client, entry, pool) for entry in document["deployments"]]


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


async def _deployment(client: PrefectClient, entry: dict[str, Any], pool: str) -> str:
    flow = load_flow(entry["entrypoint"])
    active = await _active(client, f"{flow.name}/{entry['name']}")
    schedules = [
        DeploymentScheduleCreate(
            schedule=IntervalSchedule(interval=schedule["interval"], anchor_date=schedule["anchor_date"]),
            active=active.get(schedule["slug"], schedule["active"]),
            slug=schedule["slug"],
        )
        for schedule in entry.get("schedules", [])
    ]
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


async def _active(client: PrefectClient, name: str) -> dict[str, bool]:
    try:
        deployment = await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return {}
    return {str(schedule.slug): schedule.active for schedule in deployment.schedules}
