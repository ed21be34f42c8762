-- Entities with numbers in {table} on the covered days that the answers lack and that are not known to be gone.
SELECT DISTINCT f.level, f.external_id
FROM {table} f
SEMI JOIN coverage USING (connection_id, date)
ANTI JOIN answer USING (connection_id, level, external_id, date)
LEFT JOIN entities_next n USING (connection_id, level, external_id)
LEFT JOIN entities e USING (connection_id, level, external_id)
WHERE coalesce(n.status, e.status, '') NOT IN (FROM gone)
    AND (
        f.impressions <> 0 OR f.clicks <> 0 OR f.spend <> 0 OR f.conversions <> 0 OR f.revenue <> 0
        OR f.leads <> 0 OR f.installs <> 0 OR f.purchases <> 0 OR f.visitors <> 0 OR f.profit <> 0
    )
ORDER BY f.level, f.external_id
