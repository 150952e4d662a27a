"""What an endpoint measures: counted in each replica, merged in one place, rendered for Prometheus."""

from orchestrator.serving.telemetry.counting import Telemetry

__all__ = ["Telemetry"]
