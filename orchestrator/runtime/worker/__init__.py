"""What runs inside of a process that trains."""
