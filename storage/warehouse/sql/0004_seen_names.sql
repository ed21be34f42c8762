-- Names that came with the numbers of entities that no walk has named. They leave when a walk tells the name: the
-- two never compete. No history: only what a walk reads is a change of an entity.
CREATE TABLE seen_names (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    parent_id VARCHAR,
    name VARCHAR,
    seen_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);
