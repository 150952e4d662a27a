"""Deciding what a sweep does next, and what it comes to. Knows neither Ray nor torch."""
