"""Measurements as ratios within one run, because machines are shared and noisy. ``make bench`` prints a table and writes JSON."""
