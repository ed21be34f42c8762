-- The days that were read, at each level: what completeness says of them. Without a row here a missing number means nothing.
CREATE TABLE read_days (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    date DATE NOT NULL,
    fresh_until TIMESTAMPTZ NOT NULL,
    settled BOOLEAN NOT NULL
);
