"""Serving a bundle over HTTP with Ray Serve."""
