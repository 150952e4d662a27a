"""Where trials run: sweeps over Ray Tune, and single training runs."""
