"""Cursors of the Graph API: opaque, and bound to the request they were given for."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping

from adpulse_sandbox.meta.errors import bad_cursor

_SHAPE = ("level", "filtering", "time_range", "date_preset", "time_increment", "effective_status")


def mark(params: Mapping[str, str], edge: str) -> str:
    """What a cursor is bound to: the edge and everything that decides which rows there are."""
    shape = {name: value for name, value in params.items() if name in _SHAPE}
    return f"{zlib.crc32(json.dumps([edge, shape], sort_keys=True).encode()):08x}"


def cursor(bound: str, place: int, *, hollow: bool = False) -> str:
    """An opaque cursor; ``hollow`` makes one that differs from the ordinary cursor of the same place."""
    return base64.urlsafe_b64encode(f"{bound}:{place}:{int(hollow)}".encode()).decode()


def offset(params: Mapping[str, str], bound: str) -> int:
    """The place a cursor points to.

    Raises:
        GraphError: it is none, or was given for another request.
    """
    text = params.get("after")
    if text is None:
        return 0
    try:
        found, number, _ = base64.urlsafe_b64decode(text.encode()).decode().split(":")
        place = int(number)
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
    if found != bound:
        raise bad_cursor()
    return place
