"""Meta's part of ``adpulse probe``."""
