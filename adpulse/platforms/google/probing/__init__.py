"""Google's part of ``adpulse probe``."""
