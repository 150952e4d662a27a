"""Gangs: long-lived groups of Ray Train workers that train one network together, trial after trial."""
