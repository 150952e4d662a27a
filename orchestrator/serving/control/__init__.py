"""What starts an endpoint, watches over it and says what it serves: Ray Serve, the registry, HAProxy, rollouts."""
