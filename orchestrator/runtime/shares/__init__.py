"""Sweeps that share a cluster: a detached actor that all drivers know, and what a driver has of it."""
