"""Whole installations. A package, so that a fixture of its scope ends with the tests here and not with the whole run."""
