"""Google's half of the sandbox: the Google Ads API over gRPC and the OAuth token endpoint.

A query goes grammar (``gaql``) → schema and compatibility (``fields``, ``rules``, ``check``) → rows from the truth (``rows``,
``numbers``) → wire (``wire``, ``ads``, ``ads_server``).
"""
