-- Conversions of an ad are null where a mapping counts its results and these do not add up.
ALTER TABLE metric_facts ALTER conversions DROP NOT NULL;
ALTER TABLE metric_changes ALTER conversions DROP NOT NULL;
