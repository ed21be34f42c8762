"""The list of what one export holds. An export exists from the moment its manifest does; it is written last."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Self


class Format(StrEnum):
    """How the rows are written."""

    PARQUET = "parquet"
    CSV = "csv"
    TABLE = "table"


FILE_FORMATS = (Format.PARQUET, Format.CSV)
"""Formats that people choose from, where a target has files."""


class FullReason(StrEnum):
    """Why an export holds all rows of a view instead of those that changed."""

    FIRST = "first export of the view"
    REQUESTED = "requested"
    COLUMNS = "the view has other columns"
    NO_STATE = "the record of what was exported is missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewEntry:
    """What an export holds of one view.

    ``full``: why all rows were written; rows of earlier exports no longer count then. None: only what changed was written.
    """

    columns: dict[str, str]
    key: tuple[str, ...]
    full: str | None
    changed: int
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One export. The names of the fields are keys of the JSON.

    ``published``: identifies the published copy. ``restored``: ids of connections whose warehouse went back to an earlier state since
    the export before. ``files``: size in bytes of each file by its path in the target, if it has files. ``schema_version``: of the
    published copy; None in exports of an adpulse that did not note it.
    """

    sequence: int
    workspace: str
    adpulse: str
    exported_at: str
    published: str
    format: str
    restored: tuple[str, ...]
    views: dict[str, ViewEntry]
    files: dict[str, int] = field(default_factory=dict)
    schema_version: int | None = None

    def to_json(self) -> bytes:
        """The content of its file."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read the content of its file.

        Raises:
            ValueError, KeyError, TypeError: it is not a manifest.
        """
        fields = json.loads(text)
        views = {name: ViewEntry(**entry | {"key": tuple(entry["key"])}) for name, entry in fields["views"].items()}
        return cls(**fields | {"views": views, "restored": tuple(fields["restored"])})
