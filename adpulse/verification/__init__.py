"""Comparing stored numbers with a report that a person exported from the platform's own pages. Pure: no files, no clock."""
