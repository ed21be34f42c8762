-- What each account's running day added up to, as daily does: one row per quarter of an hour in which it was read, the last one of it.
-- known_at is the day's fresh_until in read_days at that time. Kept for 28 days; pages read it, because intraday reads the whole history.
CREATE TABLE intraday_points (
    connection_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    known_at TIMESTAMPTZ NOT NULL
);
