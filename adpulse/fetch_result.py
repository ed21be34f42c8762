"""What a fetch brought. Steps: fetch, diff."""

from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from adpulse import entity_names
from adpulse.model import Fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """The complete answer of a fetch that began at ``fetched_at``: METRIC_SCHEMA rows (with ``names``) or ENTITY_SCHEMA rows."""

    fetch: Fetch
    fetched_at: datetime
    table: pa.Table
    names: pa.Table = field(default_factory=entity_names.SCHEMA.empty_table)
