MERGE INTO fx_rates AS stored
USING rates AS change
ON stored.date = change.date AND stored.currency = change.currency
WHEN MATCHED AND stored.per_euro <> change.per_euro THEN UPDATE SET per_euro = change.per_euro
WHEN NOT MATCHED THEN INSERT BY NAME
