"""What counts as a connection's conversions: what its account reports, what another mapping would change, and choosing it."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from adpulse import mapping_table, presentation
from adpulse.api import places
from adpulse.api.access import Editor
from adpulse.api.background import dispatch_later
from adpulse.api.pages.site import back, page
from adpulse.mapping import MAPPED, ConversionMapping
from adpulse.model import Connection
from adpulse.services import conversion_types
from adpulse.services import mapping as mappings

router = APIRouter()


class MappingForm(BaseModel):
    """A preset, or the types of each metric, comma-separated."""

    preset: str = Field("", max_length=64)
    purchases: str = Field("", max_length=8192)
    leads: str = Field("", max_length=8192)
    installs: str = Field("", max_length=8192)
    visitors: str = Field("", max_length=8192)
    conversions: str = Field("", max_length=8192)
    clicks: str = Field("all", max_length=64)
    attribution: str = Field("", max_length=64)

    def revised(self, connection: Connection) -> ConversionMapping:
        """The connection's mapping as the form has it.

        Raises:
            Usage: something that cannot be chosen.
        """
        changes = {} if self.preset else {metric: getattr(self, metric).split(",") for metric in (*MAPPED, "clicks")}
        if self.attribution:
            changes["attribution"] = self.attribution.split(",")
        return mappings.revised(connection, preset=self.preset or None, changes=changes)


@router.post("/connections/{connection_id}/mapping")
def choose_mapping(request: Request, caller: Editor, connection_id: str, form: Annotated[MappingForm, Form()]) -> Response:
    """Choose what counts as its conversions; the lookback is read again by it."""
    connection = caller.connection(connection_id).connection
    mappings.choose(caller.app, connection, form.revised(connection), dispatcher=dispatch_later)
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/mapping/types")
@places.OUTSIDE
def read_types(request: Request, caller: Editor, connection_id: str) -> Response:
    """Ask the platform what the account reports, with one call."""
    connection = caller.connection(connection_id).connection
    conversion_types.read(caller.app, connection)
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/mapping/preview")
def preview_mapping(caller: Editor, connection_id: str, form: Annotated[MappingForm, Form()]) -> Response:
    """Show what a mapping would change, with the button that chooses it."""
    connection = caller.connection(connection_id).connection
    chosen, kept = form.revised(connection), conversion_types.known(caller.app.conversion_types, connection)
    return page(
        "mapping_preview.html",
        caller,
        connection=connection,
        chosen=chosen,
        lines=presentation.mapping_lines(replace(connection, mapping=chosen)),
        form=form.model_dump(),
        days=mapping_table.describe_days(kept),
        withheld=mapping_table.WITHHELD if kept.types.withheld else "",
        columns=mapping_table.CHANGE_COLUMNS,
        rows=mapping_table.change_rows(mappings.preview(connection, chosen, kept)),
    )
