"""Files for other programs that run sweeps and endpoints: Kubernetes, compose, Slurm, systemd, Ray's own commands."""
