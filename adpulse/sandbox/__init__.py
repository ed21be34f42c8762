"""A local stand-in for the platforms that speaks their wire protocols and knows the truth. Imports nothing of ours."""
