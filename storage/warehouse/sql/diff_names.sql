-- Names of entities that no walk has named, where they differ from what is stored.
SELECT a.connection_id, a.level, a.external_id, a.parent_id, a.name
FROM names_answer a
LEFT JOIN entities_next n USING (connection_id, level, external_id)
LEFT JOIN entities e USING (connection_id, level, external_id)
LEFT JOIN seen_names s USING (connection_id, level, external_id)
WHERE coalesce(n.name, e.name) IS NULL
    AND (a.name IS DISTINCT FROM s.name OR a.parent_id IS DISTINCT FROM s.parent_id)
ORDER BY a.connection_id, a.level, a.external_id
