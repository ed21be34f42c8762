-- Prefect keeps its schema's version in a table of the same name as adpulse does, so it has a database of its own.
CREATE DATABASE adpulse_prefect;
