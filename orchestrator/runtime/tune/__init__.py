"""A sweep's trials on Ray Tune: what Tune asks is answered by the sweep's controller."""
