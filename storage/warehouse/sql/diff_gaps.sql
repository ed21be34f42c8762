-- What appeared (present) and what ended in the gaps of the connections in gap_owners; gap_notes are all that they have now.
WITH stored AS (
    SELECT g.* FROM day_gaps g SEMI JOIN gap_owners USING (connection_id)
), appeared AS (
    FROM gap_notes EXCEPT FROM stored
), ended AS (
    FROM stored EXCEPT FROM gap_notes
)
SELECT *, true AS present FROM appeared
UNION ALL
SELECT *, false AS present FROM ended
ORDER BY ALL
