-- Current totals of whole accounts as the platform reports them, deleted campaigns included; null where it does not say.
CREATE TABLE account_totals (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);

-- What an account's total held beyond its campaigns' totals when both were last read, one after the other; null where one does not say.
CREATE TABLE not_by_campaign (
    connection_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);
