"""What a model is worth: its figures on the test rows."""
