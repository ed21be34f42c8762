-- The answers without entities and days of which a row was refused: of several rows of one entity and day the others are not all.
SELECT *
FROM answer
ANTI JOIN refused USING (connection_id, level, external_id, date)
ORDER BY ordinal
