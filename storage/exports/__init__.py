"""Exports of a workspace's published copy: what changed since the last one, to a folder, an object store or PostgreSQL."""
