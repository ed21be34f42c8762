"""The consent pages of both platforms."""
