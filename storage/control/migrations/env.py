"""Runs migrations on the connection that ``storage.control`` hands over."""

from alembic import context

from storage.control.tables import Base

context.configure(connection=context.config.attributes["session"], target_metadata=Base.metadata, render_as_batch=True)
context.run_migrations()
