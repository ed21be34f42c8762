"""Google's half of the sandbox: the Google Ads API over gRPC and the OAuth token endpoint.

A query passes through the grammar (``gaql``), the schema and its compatibility rules (``fields``, ``rules``, ``check``), the rows
and their numbers (``rows``, ``numbers``), and the protobuf messages (``wire``, ``ads``, ``ads_server``).
"""
