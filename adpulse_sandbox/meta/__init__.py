"""Meta's Graph API, as the sandbox serves it."""
