-- What days lack although it was requested, and why: all of a read (no external_id), of one campaign where it has a campaign_id, or the
-- row of an entity that was refused. It stays as it was stored until a read has it. Beside completeness, with the same levels.
CREATE TABLE day_gaps (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    date DATE NOT NULL,
    read VARCHAR NOT NULL,
    entity_level VARCHAR,
    external_id VARCHAR,
    campaign_id VARCHAR,
    reason VARCHAR NOT NULL,
    first_at TIMESTAMPTZ NOT NULL
);
