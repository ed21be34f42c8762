"""The statuses of entities that are gone. Pure."""

GONE = "GONE"
"""Our own status: absent from a complete walk, or unknown to the platform by its id."""

GONE_STATUSES = ("DELETED", "REMOVED", GONE)
"""Statuses of entities that no longer report."""
