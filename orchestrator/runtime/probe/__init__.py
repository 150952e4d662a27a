"""What a sweep would take: measured on probes of its smallest and largest networks."""
