"""Many connections changed at once from their list: those that were ticked, or all that match, after a confirmation that counts them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import Response
from pydantic import Field

from adpulse import frequency
from adpulse.api.access import PRINTABLE, Caller, Editor
from adpulse.api.bulk import MAX_IDS, Action, apply_action
from adpulse.api.fields import Id
from adpulse.api.pages.connection_list import Filters, list_all, page_ids
from adpulse.api.pages.site import page
from adpulse.errors import NotFound, Usage
from storage.control import labels
from storage.control.bulk import Choice, Done, Outcome
from storage.control.listing import Criteria
from storage.control.numbered_list import ordered
from storage.control.workspaces import Workspace

router = APIRouter()

ACTIONS = {
    Action.SYNC_NOW: "Sync now",
    Action.PAUSE: "Pause",
    Action.RESUME: "Resume",
    Action.ADD_LABEL: "Add the label",
    Action.REMOVE_LABEL: "Remove the label",
}
"""The actions besides setting a frequency, for which the form sends the frequency itself."""

_WORDS = {
    Action.SYNC_NOW: ("Sync {count} now", "{count} queued for a sync"),
    Action.PAUSE: ("Pause {count}", "{count} paused"),
    Action.RESUME: ("Resume {count}", "{count} resumed"),
    Action.SET_FREQUENCY: ("Set {count} to “{value}”", "{count} set to “{value}”"),
    Action.ADD_LABEL: ("Add the label “{value}” to {count}", "label “{value}” added to {count}"),
    Action.REMOVE_LABEL: ("Remove the label “{value}” from {count}", "label “{value}” removed from {count}"),
}
"""What each action is called before and after it."""

_NAMED = 30
_LONGEST_IDS = MAX_IDS * 65


class BulkForm(Filters):
    """What the form below the filters sends, with the filters of the list; ``ids`` are those that the confirmation counted."""

    which: Literal["ticked", "page", "matching"] = "ticked"
    connection: list[Id] = Field([], max_length=MAX_IDS)
    ids: str = Field("", max_length=_LONGEST_IDS, pattern=r"^[A-Za-z0-9,-]*$")
    action: str = Field(max_length=64)
    new_label: str = Field("", max_length=255, pattern=PRINTABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done with each connection; ``value`` is its frequency or label, ``shown`` the same for people."""

    action: Action
    value: str = ""
    shown: str = ""

    def question(self, count: int) -> str:
        """``Pause 17 connections``."""
        return _WORDS[self.action][0].format(count=_connections(count), value=self.shown)

    def result(self, results: Sequence[Done]) -> str:
        """``17 connections paused, 2 unchanged``."""
        counts = Counter(item.outcome for item in results)
        changed = _WORDS[self.action][1].format(count=_connections(counts[Outcome.DONE]), value=self.shown)
        others = [f"{counts[outcome]:,} {outcome.value}" for outcome in (Outcome.UNCHANGED, Outcome.REFUSED) if counts[outcome]]
        return ", ".join([changed[0].upper() + changed[1:], *others])


@router.post("/workspaces/{workspace_id}/bulk")
def change(caller: Editor, workspace_id: str, form: Annotated[BulkForm, Form()]) -> Response:
    """Ask for the confirmation that counts the chosen connections; with it, change them and show the outcome."""
    owner = caller.workspace(workspace_id)
    wanted = _change(form, owner)
    if form.ids:
        results = apply_action(caller.app, Choice(workspace_id=owner.id, ids=form.ids.split(",")), wanted.action, wanted.value)
        refused = [item for item in results if item.outcome is Outcome.REFUSED]
        return page("bulk.html", caller, form=form, sentence=wanted.result(results), results=results, refused=refused)
    ids = _chosen(caller, owner, form)
    entries = caller.app.numbered_list.entries(Criteria(workspace_id=owner.id, ids=ids))
    if not entries:
        raise NotFound(f"No connection of {owner.name} matches. Nothing was changed.")
    chosen = ordered(entries, form.column, descending=form.descends)
    return page("bulk_confirm.html", caller, form=form, owner=owner, wanted=wanted, chosen=chosen, named=_NAMED)


def _change(form: BulkForm, owner: Workspace) -> Change:
    """What the form asks for.

    Raises:
        FrequencyRefused, Usage: it is no action, or its frequency or label cannot be used.
    """
    action = next((item for item in ACTIONS if item == form.action), Action.SET_FREQUENCY)
    if action is Action.SET_FREQUENCY:
        value = frequency.parse(form.action, realtime_granted=owner.realtime_granted)
        return Change(action=action, value=value, shown=value.label)
    if action in (Action.ADD_LABEL, Action.REMOVE_LABEL):
        (label,) = labels.check([form.new_label])
        return Change(action=action, value=label, shown=label)
    return Change(action=action)


def _chosen(caller: Caller, owner: Workspace, form: BulkForm) -> list[str]:
    """The ids that the form chooses.

    Raises:
        Usage: nothing is ticked, or too many match.
    """
    if form.which == "ticked":
        if not form.connection:
            raise Usage("Tick the connections to change, or choose all that match. Nothing was changed.")
        return form.connection
    matching = list_all(caller.app, replace(form.criteria(caller), workspace_id=owner.id), form)
    if form.which == "page":
        return page_ids(matching, form.page)
    if len(matching) > MAX_IDS:
        raise Usage(f"{len(matching):,} connections match. Narrow the list down to {MAX_IDS:,}. Nothing was changed.")
    return [entry.id for entry in matching]


def _connections(count: int) -> str:
    return f"{count:,} connection{'s' if count != 1 else ''}"
