-- What comparisons of totals found, in the account's currency: spend of a day at a level as in reconciliation. A day has a row for each
-- comparison that found another remainder, or another explanation of it, than the one before; what was known at an instant is the last row
-- up to it. The remainder is null where it was not known any more.
CREATE TABLE reconciled_days (
    connection_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    level VARCHAR NOT NULL,
    reconciled_at TIMESTAMPTZ NOT NULL,
    ours DECIMAL(38, 6) NOT NULL,
    platform DECIMAL(38, 6) NOT NULL,
    remainder DECIMAL(38, 6) NOT NULL,
    share DOUBLE,
    deleted BIGINT NOT NULL,
    leafless DECIMAL(38, 6) NOT NULL
);
