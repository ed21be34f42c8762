-- What counted as which metric, and since when (business time): a row for each mapping by which numbers of the connection were read. Days
-- before that instant were read again by the new mapping as far as the lookback reaches; older ones count as before until they are read
-- again. definition: the mapping as options of `adpulse mapping` write it.
CREATE TABLE mappings (
    connection_id VARCHAR NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    name VARCHAR NOT NULL,
    definition VARCHAR NOT NULL
);
