"""From rows to outputs: prepared models, the engines that compute them, and batches."""
