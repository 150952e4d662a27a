"""`python -m orchestrator.manifests`, in the repository: writes docker/ and deploy/ anew from the templates."""

from pathlib import Path

from orchestrator.manifests.kinds import write_defaults

write_defaults(Path.cwd())
