"""Types of fields in requests and answers: ids, names, instants and counts, with their formats and examples."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from adpulse.api.access import PRINTABLE
from adpulse.metrics import in_units
from adpulse.model import Provider
from adpulse.platforms.registry import PLATFORMS

ID: dict[str, Any] = {"max_length": 64, "pattern": r"^[A-Za-z0-9-]+$"}
EXAMPLE_ID = "7a3f2c1e-0f9d-4b6a-8c5e-2d1b0a9f8e7d"
EXAMPLE_WORKSPACE = "c0ffee00-5b1d-4d0c-9a55-0d3adf00d5e1"

Id = Annotated[str, StringConstraints(**ID), Field(examples=[EXAMPLE_ID])]
RunId = Annotated[str, Path(**ID, examples=[EXAMPLE_ID])]
ConnectionId = Annotated[str, Path(**ID, examples=[EXAMPLE_ID])]
WorkspaceId = Annotated[str, Path(**ID, examples=[EXAMPLE_WORKSPACE])]

WorkspaceRef = Annotated[str, Field(examples=[EXAMPLE_WORKSPACE])]
Ref = Annotated[str, Field(examples=[EXAMPLE_ID])]
Name = Annotated[str, Field(examples=["Harbor Outdoor"])]
At = Annotated[datetime, Field(examples=["2026-11-26T08:15:00Z"])]
Amount = Annotated[str, Field(examples=["1234.500000"])]
"""An exact decimal, money in units of the currency."""

Count = Annotated[int, Field(examples=[12])]


def _stripped(text: str) -> str:
    if stripped := text.strip():
        return stripped
    raise ValueError("it has nothing but spaces")


# Spaces are left out after the pattern was checked: a name that ends in a line break is refused, as the pattern says.
Line = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_stripped)]
"""One line of text: a name, a note, a search term. Spaces at its ends are left out."""

Text = Annotated[str, Field(max_length=255, pattern=PRINTABLE)]
"""A short text that may be empty."""


def amount(micros: int) -> str:
    """Micros as an Amount."""
    return f"{in_units(micros):f}"


def _known_platform(name: str) -> Provider:
    if name not in PLATFORMS:
        raise ValueError(f"must be one of: {', '.join(PLATFORMS)}")
    return Provider(name)


_NAMES = {"type": "string", "enum": list(PLATFORMS), "examples": list(PLATFORMS)[:1]}
ProviderName = Annotated[Provider, AfterValidator(_known_platform), WithJsonSchema(_NAMES)]
"""Name of a platform."""


class Body(BaseModel):
    """A request body. Undocumented fields are refused: they may be typing errors."""

    model_config = ConfigDict(extra="forbid")
