"""Cursors of the Graph API: opaque, and valid only for the request that they were issued for."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping

from adpulse_sandbox.meta.errors import bad_cursor

_ROW_PARAMETERS = ("level", "filtering", "time_range", "date_preset", "time_increment", "effective_status")


def request_digest(params: Mapping[str, str], edge: str) -> str:
    """A digest of the edge and of the parameters that decide which rows there are; cursors carry it."""
    row_parameters = {name: value for name, value in params.items() if name in _ROW_PARAMETERS}
    return f"{zlib.crc32(json.dumps([edge, row_parameters], sort_keys=True).encode()):08x}"


def cursor(digest: str, place: int, *, repeated: bool = False) -> str:
    """An opaque cursor to a place in the rows.

    ``repeated`` changes its text: after an empty page the next cursor points to the same place and must differ from the last one.
    """
    return base64.urlsafe_b64encode(f"{digest}:{place}:{int(repeated)}".encode()).decode()


def offset(params: Mapping[str, str], digest: str) -> int:
    """The place that the request's cursor points to; 0 without a cursor.

    Raises:
        GraphError: the text is no cursor, or the cursor was issued for another request.
    """
    text = params.get("after")
    if text is None:
        return 0
    try:
        issued_for, number, _ = base64.urlsafe_b64decode(text.encode()).decode().split(":")
        place = int(number)
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
    if issued_for != digest:
        raise bad_cursor()
    return place
