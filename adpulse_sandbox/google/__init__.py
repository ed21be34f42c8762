"""Google's half of the sandbox: the Google Ads API over gRPC and REST, and the OAuth token endpoint.

A query passes through the grammar (``gaql``), the schema and its compatibility rules (``fields``, ``rules``, ``check``), the rows
and their numbers (``rows``, ``numbers``), and the protobuf messages (``wire``, ``ads``), which are sent over gRPC (``ads_server``)
or as JSON (``rest``, ``rest_server``). What only the sandbox lacks is refused by ``served``.
"""
