"""A workspace's numbers with their history, in one DuckDB file, and its published copy."""
