"""Operations that people request by command line, page or HTTP API; one module per kind of request."""
