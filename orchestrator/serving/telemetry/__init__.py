"""What an endpoint measures: counted in each replica, merged in one place, rendered for Prometheus."""

from orchestrator.serving.telemetry.telemetry import Telemetry

__all__ = ["Telemetry"]
