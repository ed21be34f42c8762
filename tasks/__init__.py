"""The steps of a sync, one module each, which work on a batch; a batch is one Prefect task of flows/sync.py."""
