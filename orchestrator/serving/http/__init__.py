"""What an endpoint says over HTTP: an ASGI application without a framework, and its protocols."""
