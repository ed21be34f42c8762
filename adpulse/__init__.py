"""adpulse keeps Meta Ads and Google Ads entities and daily metrics in DuckDB, minutes fresh."""
