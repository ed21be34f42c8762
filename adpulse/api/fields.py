"""What requests name things by, and how such text may look: nothing that a database refuses, nothing that hides in a list."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field, StringConstraints

ID: dict[str, Any] = {"max_length": 64, "pattern": r"^[A-Za-z0-9-]+$"}
EXAMPLE_ID = "7a3f2c1e-0f9d-4b6a-8c5e-2d1b0a9f8e7d"
EXAMPLE_WORKSPACE = "c0ffee00-5b1d-4d0c-9a55-0d3adf00d5e1"

Id = Annotated[str, StringConstraints(**ID), Field(examples=[EXAMPLE_ID])]
RunId = Annotated[str, Path(**ID, examples=[EXAMPLE_ID])]
ConnectionId = Annotated[str, Path(**ID, examples=[EXAMPLE_ID])]
WorkspaceId = Annotated[str, Path(**ID, examples=[EXAMPLE_WORKSPACE])]

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of text: a name, a note, what is searched for."""
