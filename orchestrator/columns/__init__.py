"""Columns as they come: reading their cells, and what one pass keeps of them. What features and tasks share."""
