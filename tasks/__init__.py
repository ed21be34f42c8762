"""Thin Prefect tasks, one module per step of a sync."""
