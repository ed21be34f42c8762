"""How Prefect retries our tasks: only when the database or the warehouse was locked; platform calls have retries of their own."""

from typing import Any

from prefect import State, Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.tasks import exponential_backoff

from storage.control.database import INFRASTRUCTURE


async def _is_infrastructure(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    failure = await state.aresult(raise_on_failure=False)
    return isinstance(failure, INFRASTRUCTURE)


OPTIONS: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": exponential_backoff(2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _is_infrastructure,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
