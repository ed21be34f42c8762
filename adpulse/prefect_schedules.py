"""Switches Prefect's schedules, and tells what an operator made of them from what adpulse did.

A mark for each deployment, in one variable of Prefect's, says that adpulse switched its schedule on, and at which interval it deployed it.
A schedule that is off although it is marked was paused by somebody, and stays so; one with another interval was changed, and keeps that.
Prefect is imported inside the functions, because it takes seconds and most commands never need it.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from adpulse.frequency import format_duration
from adpulse.orchestrator import answering, client

if TYPE_CHECKING:
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse

VARIABLE = "adpulse_schedules"
"""Prefect's variable with the marks."""

ON, INTERVAL = "on", "interval"
"""What a mark says of a deployment: adpulse switched its schedule on; the seconds of the interval that adpulse deployed."""

Marks = dict[str, dict[str, Any]]


class Switched(NamedTuple):
    """Names of deployments whose schedule was switched, and of those that are not deployed (yet)."""

    changed: list[str]
    missing: list[str]


def switch_schedules(active: Mapping[str, bool]) -> Switched:
    """Make the schedule of each deployment, by its full name, active or not; one that somebody paused stays off.

    Raises:
        Unavailable: Prefect does not answer.
    """
    with answering():
        marks, deployments = _read(), _deployments(active)
        free = {name: one for name, one in deployments.items() if not _is_paused(one, marks.setdefault(name, {}))}
        # A schedule that is off although it is marked counts as paused, so the mark goes before it is switched off, and comes after.
        _mark(marks, [name for name in free if not active[name]], on=False)
        changed = [name for name, deployment in free.items() if _switch(deployment, active[name])]
        _mark(marks, [name for name in free if active[name]], on=True)
    return Switched(changed, [name for name in active if name not in deployments])


def _deployments(names: Iterable[str]) -> dict[str, "DeploymentResponse"]:
    """Those of these deployments that exist."""
    from prefect.exceptions import ObjectNotFound

    existing = {}
    for name in names:
        with suppress(ObjectNotFound):
            existing[name] = client().read_deployment_by_name(name)
    return existing


def _switch(deployment: "DeploymentResponse", wanted: bool) -> bool:  # noqa: FBT001 - what is wanted of it
    """Switch a deployment's schedules; returns whether any was switched."""
    others = [schedule for schedule in deployment.schedules if schedule.active != wanted]
    for schedule in others:
        client().update_deployment_schedule(deployment.id, schedule.id, active=wanted)
    return bool(others)


def _mark(marks: Marks, names: Iterable[str], *, on: bool) -> None:
    """Note that adpulse switched the schedules of these deployments on or off."""
    news = [name for name in names if marks[name].get(ON, False) != on]
    for name in news:
        marks[name][ON] = on
    if news:
        _write(marks)


def changes(names: Mapping[str, bool]) -> dict[str, str]:
    """What somebody made of these deployments' schedules: a sentence by the deployment's own name, as ``meta-5min``.

    Raises:
        Unavailable: Prefect does not answer.
    """
    with answering():
        marks, deployments = _read(), client().read_deployments(limit=200)
    own = {name.partition("/")[2]: marks.get(name, {}) for name in names}
    sentences = {deployment.name: _sentence(deployment, own[deployment.name]) for deployment in deployments if deployment.name in own}
    return {name: sentence for name, sentence in sentences.items() if sentence}


def _sentence(deployment: "DeploymentResponse", mark: Mapping[str, Any]) -> str | None:
    if _is_paused(deployment, mark):
        return f"The schedule of {deployment.name} was paused in Prefect, and nothing is synced by it. Resume it there."
    for schedule in deployment.schedules:
        if is_changed(schedule, mark):
            interval = _seconds(schedule)
            rhythm = f"runs every {format_duration(timedelta(seconds=interval))}" if interval else "is no interval any more"
            return f"The schedule of {deployment.name} was changed in Prefect: it {rhythm}."
    return None


def _is_paused(deployment: "DeploymentResponse", mark: Mapping[str, Any]) -> bool:
    return bool(mark.get(ON)) and (deployment.paused or any(not schedule.active for schedule in deployment.schedules))


def is_changed(schedule: "DeploymentSchedule", mark: Mapping[str, Any]) -> bool:
    """Whether the schedule has another interval than adpulse deployed."""
    return INTERVAL in mark and _seconds(schedule) != mark[INTERVAL]


def _seconds(schedule: "DeploymentSchedule") -> float | None:
    interval: timedelta | None = getattr(schedule.schedule, "interval", None)
    return interval.total_seconds() if interval else None


def _read() -> Marks:
    variable = client().read_variable_by_name(VARIABLE)
    return marks_of(variable.value if variable else None)


def marks_of(value: object) -> Marks:
    """The marks in the variable's value; none if somebody wrote something else there."""
    return {name: dict(mark) for name, mark in value.items() if isinstance(mark, dict)} if isinstance(value, dict) else {}


def _write(marks: Marks) -> None:
    from prefect.client.schemas.actions import VariableCreate, VariableUpdate

    if client().read_variable_by_name(VARIABLE):
        client().update_variable(VariableUpdate(name=VARIABLE, value=marks))
    else:
        client().create_variable(VariableCreate(name=VARIABLE, value=marks))
