"""The control plane: workspaces, connections, runs and what decides what is synced next. SQLAlchemy over SQLite or PostgreSQL."""
