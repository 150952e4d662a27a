"""What a user can ask for, validated; loaded from and saved as YAML."""

from __future__ import annotations

from orchestrator.config.columns import ColumnsConfig, read_csv_wish, read_wishes
from orchestrator.config.resources import ResourceConfig
from orchestrator.config.serve import ServeConfig
from orchestrator.config.sweep import DEFAULT_TRIALS, SweepConfig
from orchestrator.errors import ConfigError
from orchestrator.fields import checked_name

__all__ = [
    "DEFAULT_TRIALS",
    "ColumnsConfig",
    "ResourceConfig",
    "ServeConfig",
    "SweepConfig",
    "check_name",
    "read_csv_wish",
    "read_wishes",
]


def check_name(name: str) -> None:
    """Raises ConfigError when nothing can be called that."""
    try:
        checked_name(name)
    except ValueError as error:
        raise ConfigError(f"name: {error}") from None
