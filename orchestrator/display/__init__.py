"""What is shown of a sweep while it runs: its state, made of the journal's events alone, and its forms."""
