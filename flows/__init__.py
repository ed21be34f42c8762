"""Prefect flows: thin, over one shared body."""
