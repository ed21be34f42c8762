"""adpulse keeps Meta Ads and Google Ads entities and daily metrics in DuckDB, minutes fresh. :func:`open_analytics` reads them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adpulse.analytics import open_analytics

__all__ = ("open_analytics",)


def __getattr__(name: str) -> object:
    """Import the reader when it is used: every module's import begins with this package, which must stay light."""
    if name == "open_analytics":
        from adpulse.analytics import open_analytics  # noqa: PLC0415 - see above

        return open_analytics
    raise AttributeError(f"module 'adpulse' has no attribute '{name}'")
