"""The pages where people consent, of both platforms."""
