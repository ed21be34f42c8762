-- Connections of this batch whose stored rows have another margin than theirs.
SELECT m.connection_id
FROM margins m
JOIN connections c ON c.id = m.connection_id
WHERE c.gross_margin <> m.gross_margin
