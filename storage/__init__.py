"""Everything that lasts: the control plane (SQLAlchemy) and the warehouse (DuckDB)."""
