-- A comparison may find that a remainder is not known any more.
ALTER TABLE reconciled_days ALTER ours DROP NOT NULL;
ALTER TABLE reconciled_days ALTER platform DROP NOT NULL;
ALTER TABLE reconciled_days ALTER remainder DROP NOT NULL;
