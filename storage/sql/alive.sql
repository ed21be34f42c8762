-- Entities that still report, as they will be once this batch is applied.
CREATE OR REPLACE TEMP VIEW alive AS
SELECT connection_id, level, external_id
FROM entities
ANTI JOIN entities_next USING (connection_id, level, external_id)
WHERE status NOT IN (FROM gone)
UNION ALL
SELECT connection_id, level, external_id
FROM entities_next
WHERE status NOT IN (FROM gone)
