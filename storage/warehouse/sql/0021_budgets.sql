-- The budgets that somebody set, as of the publication, one row each: of a connection, of a campaign of it, or of all connections of its
-- currency with a label. budget_day has what is spent of them.
CREATE TABLE budgets (
    id VARCHAR NOT NULL,
    connection_id VARCHAR,
    label VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    currency VARCHAR NOT NULL,
    period VARCHAR NOT NULL,
    amount BIGINT NOT NULL
);
