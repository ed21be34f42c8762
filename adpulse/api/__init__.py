"""The HTTP API: what a team's own programs, and the pages, ask of an installation."""
