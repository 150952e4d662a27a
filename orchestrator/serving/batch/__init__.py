"""Answers for all files of a folder, on a cluster: files in, files out. A run that was killed goes on."""
