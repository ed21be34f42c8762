"""Pages of the Graph API, forwards and backwards. Cursors are opaque, and valid only for the request that they were issued for."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping

from adpulse_sandbox.meta.errors import bad_cursor, bad_param

PAGE_ROWS = 5000
"""The most rows of a page, if no option sets another number. Meta documents none; a public connector asks for 5,000."""

_DEFAULT_ROWS = 25
_NOT_OF_ROWS = ("after", "before", "limit", "fields", "summary", "default_summary", "access_token", "appsecret_proof")
"""The parameters that do not decide which rows there are. All others are part of a cursor."""


def row_limit(params: Mapping[str, str], most: int = PAGE_ROWS) -> int:
    """The ``limit`` parameter.

    Raises:
        GraphError: it is no number of the allowed range.
    """
    text = params.get("limit", str(min(_DEFAULT_ROWS, most)))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise bad_param(f"param limit must be an integer between 1 and {most}")
    return int(text)


def request_digest(params: Mapping[str, str], edge: str) -> str:
    """A digest of the edge and of the parameters that decide which rows there are; cursors carry it."""
    row_parameters = {name: value for name, value in params.items() if name not in _NOT_OF_ROWS}
    return f"{zlib.crc32(json.dumps([edge, row_parameters], sort_keys=True).encode()):08x}"


def cursor(digest: str, place: int, *, repeated: bool = False) -> str:
    """An opaque cursor to a place in the rows.

    ``repeated`` changes its text: after an empty page the next cursor points to the same place and must differ from the last one.
    """
    return base64.urlsafe_b64encode(f"{digest}:{place}:{int(repeated)}".encode()).decode()


def span(params: Mapping[str, str], digest: str, limit: int) -> tuple[int, int]:
    """The first row of the requested page and the one after its last: from the cursor on, or up to it with ``before``.

    Raises:
        GraphError: a text is no cursor, the cursor was issued for another request, or there is one of each kind.
    """
    after, before = params.get("after"), params.get("before")
    if after and before:
        raise bad_cursor().inferred()
    if before:
        end = _place(before, digest)
        return max(end - limit, 0), end
    start = _place(after, digest) if after else 0
    return start, start + limit


def _place(text: str, digest: str) -> int:
    try:
        issued_for, number, _ = base64.urlsafe_b64decode(text.encode()).decode().split(":")
        place = int(number)
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
    if issued_for != digest:
        raise bad_cursor()
    return place
