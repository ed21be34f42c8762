"""The advertising platforms: one client and one pure normaliser each."""
