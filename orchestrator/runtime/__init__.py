"""Running on Ray what a sweep decides, and what runs inside of its workers; single training runs."""
