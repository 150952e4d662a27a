"""Rows that stay in their files: read by the processes of the cluster, once for all trials or anew in each epoch."""
