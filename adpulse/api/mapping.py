"""What counts as a connection's conversions, what its account reports, and what another mapping would change."""

from datetime import date
from http import HTTPStatus

from pydantic import BaseModel, Field

from adpulse import mapping_table, presentation
from adpulse.api import places, routing
from adpulse.api.access import Editor, Viewer
from adpulse.api.connection_models import MappingIn, MappingOut
from adpulse.api.fields import At, ConnectionId
from adpulse.api.problems import CHANGES, CLOSED, READS, answers
from adpulse.conversion_types import KeptTypes
from adpulse.model import Connection
from adpulse.services import conversion_types
from adpulse.services import mapping as mappings

router = routing.router("connections", responses=CLOSED)

_ASKS = CHANGES | answers(HTTPStatus.TOO_MANY_REQUESTS)


class TypeOut(BaseModel):
    """What the account reported of one type. Amounts are exact texts, of money in the account's currency."""

    names: list[str] = Field(
        examples=[["omni_purchase"]],
        description="By which a mapping counts it: an action type of Meta; a category of Google and the id of a conversion action.",
    )
    title: str | None = Field(examples=["Newsletter sign-up"], description="What people call it, where the platform says it.")
    count: str | None = Field(examples=["412"], description="Null where the platform reports no count of it.")
    value: str | None = Field(examples=["18392.5"])
    metrics: list[str] = Field(examples=[["purchases", "conversions"]], description="It counts as these; empty if it does not count.")
    same_event_as: str | None = Field(examples=["omni_purchase"], description="The type under which its event counts already.")
    cannot_be_counted: str | None = Field(examples=["Meta adds leads or calls to another event in it."])


class ReportedTypes(BaseModel):
    """Every type that the account had over some days, both included, the most frequent first."""

    since: date = Field(examples=["2026-03-01"])
    until: date = Field(examples=["2026-03-28"])
    read_at: At
    withheld: bool = Field(description="The platform reports no types of this account as a whole: what it has is not known.")
    types: list[TypeOut]


class MappingReport(BaseModel):
    """The mapping, and what the account reported when it was asked last; null if it never was."""

    mapping: MappingOut
    reported: ReportedTypes | None


class MetricChangeOut(BaseModel):
    """What a metric was over the days by the present mapping, and by the other one; null where the types do not say it."""

    metric: str = Field(examples=["conversions"])
    now: str | None = Field(examples=["0"])
    then: str | None = Field(examples=["412"])


class MappingPreview(BaseModel):
    """What another mapping would change. Nothing was changed. The days are those of the account's types that were read last."""

    mapping: str = Field(examples=["purchases"], description="The other mapping's name.")
    since: date = Field(examples=["2026-03-01"])
    until: date = Field(examples=["2026-03-28"])
    changes: list[MetricChangeOut]


@router.get("/connections/{connection_id}/mapping", summary="What counts, and what the account reports", responses=READS)
def read_mapping(caller: Viewer, connection_id: ConnectionId) -> MappingReport:
    """Calls no platform: the types are those that were read last."""
    connection = caller.connection(connection_id).connection
    return _report(connection, caller.app.conversion_types.of(connection.id))


@router.post("/connections/{connection_id}/mapping/types", summary="Read what the account reports", responses=_ASKS)
@places.OUTSIDE
def read_types(caller: Editor, connection_id: ConnectionId) -> MappingReport:
    """Asks the platform, with one call that counts in the account's hour."""
    connection = caller.connection(connection_id).connection
    return _report(connection, conversion_types.read(caller.app, connection))


@router.post("/connections/{connection_id}/mapping/preview", summary="What another mapping would change", responses=READS | CHANGES)
def preview_mapping(caller: Viewer, connection_id: ConnectionId, body: MappingIn) -> MappingPreview:
    """Changes nothing and calls no platform; the account's types must have been read before."""
    connection = caller.connection(connection_id).connection
    chosen = mappings.revised(connection, preset=body.preset, changes=body.changes, name=body.name)
    kept = conversion_types.known(caller.app.conversion_types, connection)
    changes = mapping_table.change_fields(mappings.preview(connection, chosen, kept))
    return MappingPreview(
        mapping=chosen.name, since=kept.since, until=kept.until, changes=[MetricChangeOut.model_validate(change) for change in changes]
    )


def _report(connection: Connection, kept: KeptTypes | None) -> MappingReport:
    mapping = MappingOut.model_validate(presentation.mapping_fields(connection))
    if kept is None:
        return MappingReport(mapping=mapping, reported=None)
    types = [TypeOut.model_validate(counted) for counted in mapping_table.fields(mapping_table.counted(connection, kept))]
    reported = ReportedTypes(since=kept.since, until=kept.until, read_at=kept.read_at, withheld=kept.types.withheld, types=types)
    return MappingReport(mapping=mapping, reported=reported)
