-- Exchange rates that somebody imported, one row per day and currency: what a euro cost in it. Days without one are not here; fx has the
-- rate that counts on each day.
CREATE TABLE fx_rates (
    date DATE NOT NULL,
    currency VARCHAR NOT NULL,
    per_euro DECIMAL(18, 8) NOT NULL
);
