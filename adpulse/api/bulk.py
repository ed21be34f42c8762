"""Changes of many connections at once: by label or by ids, in one transaction, with the outcome for each."""

from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adpulse.api import routing
from adpulse.api.access import Editor
from adpulse.api.background import dispatch_later
from adpulse.api.fields import EXAMPLE_ID, Body, Id, Line, Name, Ref, WorkspaceId
from adpulse.api.problems import CHANGES, CLOSED
from adpulse.bootstrap import App
from storage.control.bulk import Bulk, Choice, Done, Outcome

MAX_IDS = 10_000

router = routing.router("connections", responses=CLOSED)


class Action(StrEnum):
    """The action on each connection."""

    SET_FREQUENCY = "set_frequency"
    PAUSE = "pause"
    RESUME = "resume"
    SYNC_NOW = "sync_now"
    ADD_LABEL = "add_label"
    REMOVE_LABEL = "remove_label"


_OF_LABELS = (Action.ADD_LABEL, Action.REMOVE_LABEL)


class BulkIn(Body):
    """Either ``label`` or ``ids`` says which connections.

    ``sync_frequency`` belongs to ``set_frequency``, ``changed_label`` to ``add_label`` and ``remove_label``, and neither to another action.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["label"]}, {"required": ["ids"]}],
            "allOf": [
                {
                    "if": {"properties": {"action": {"const": Action.SET_FREQUENCY}}},
                    "then": {"required": ["sync_frequency"]},
                    "else": {"properties": {"sync_frequency": False}},
                },
                {
                    "if": {"properties": {"action": {"enum": list(_OF_LABELS)}}},
                    "then": {"required": ["changed_label"]},
                    "else": {"properties": {"changed_label": False}},
                },
            ],
            "examples": [
                {"label": "eu", "action": "set_frequency", "sync_frequency": "hourly"},
                {"ids": [EXAMPLE_ID], "action": "sync_now"},
                {"label": "eu", "action": "add_label", "changed_label": "retail"},
            ],
        },
    )

    action: Action
    label: Line = Field("", examples=["eu"])
    ids: list[Id] = Field([], min_length=1, max_length=MAX_IDS, examples=[[EXAMPLE_ID]])
    sync_frequency: str = Field("", max_length=64, examples=["hourly"])
    changed_label: str = Field("", max_length=255, examples=["retail"])

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.model_fields_set & {"label", "ids"}) != 1:
            raise ValueError("say which connections: either label or ids")
        if ("sync_frequency" in self.model_fields_set) is not (self.action is Action.SET_FREQUENCY):
            raise ValueError("sync_frequency belongs to the action set_frequency, and only to it")
        if ("changed_label" in self.model_fields_set) is not (self.action in _OF_LABELS):
            raise ValueError("changed_label belongs to the actions add_label and remove_label, and only to them")
        return self


class BulkResult(BaseModel):
    """The outcome for one connection. ``reason``: why it was refused. ``job_id``: the requested sync."""

    connection_id: Ref
    name: Name
    outcome: Outcome
    reason: str | None = Field(examples=["It is not synced at present (needs_reauth)."])
    job_id: Ref | None


class BulkOut(BaseModel):
    """One entry for each chosen connection, by name."""

    results: list[BulkResult]


@router.post(
    "/workspaces/{workspace_id}/connections/bulk",
    summary="Change many connections at once",
    responses=CHANGES,
)
def change_connections(caller: Editor, workspace_id: WorkspaceId, body: BulkIn) -> BulkOut:
    """An invalid request changes nothing. A connection that cannot be changed in its present state is reported as refused."""
    choice = Choice(workspace_id=caller.workspace(workspace_id).id, ids=body.ids, label=body.label or None)
    results = apply_action(caller.app, choice, body.action, body.sync_frequency or body.changed_label)
    return BulkOut(results=[BulkResult.model_validate(_result_fields(result)) for result in results])


def apply_action(app: App, choice: Choice, action: Action, value: str = "") -> list[Done]:
    """Apply the action, and dispatch the requested syncs; ``value`` is the frequency or the label of an action that takes one."""
    results = _apply(app.bulk, choice, action, value)
    for provider in {result.provider for result in results if result.run_id}:
        dispatch_later(app, provider)
    return results


def _apply(bulk: Bulk, choice: Choice, action: Action, value: str) -> list[Done]:
    with_value = {Action.SET_FREQUENCY: bulk.set_frequency, Action.ADD_LABEL: bulk.add_label, Action.REMOVE_LABEL: bulk.remove_label}
    if action in with_value:
        return with_value[action](choice, value)
    return {Action.PAUSE: bulk.pause, Action.RESUME: bulk.resume, Action.SYNC_NOW: bulk.sync_now}[action](choice)


def _result_fields(result: Done) -> dict[str, Any]:
    return {
        "connection_id": result.connection_id,
        "name": result.name,
        "outcome": result.outcome,
        "reason": result.reason,
        "job_id": result.run_id,
    }
