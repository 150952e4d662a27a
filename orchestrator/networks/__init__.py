"""The network families. CONTRIBUTING.md says how to add one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.networks.arguments import inputs_taken
    from orchestrator.networks.averaged import Averaged
    from orchestrator.networks.custom import never_read, settings_asked_for
    from orchestrator.networks.families import build_network
    from orchestrator.networks.groups import ParameterGroup
    from orchestrator.networks.inputs import FeatureInput, FeatureShape
    from orchestrator.networks.scaled import Scaled
    from orchestrator.networks.settings import ARCHITECTURES, is_custom, known_architecture, parse_settings
    from orchestrator.networks.target_transforms import TRANSFORMS, BroughtBack, TargetTransform
else:
    __getattr__ = lazily(
        __name__,
        arguments=["inputs_taken"],
        averaged=["Averaged"],
        custom=["never_read", "settings_asked_for"],
        families=["build_network"],
        groups=["ParameterGroup"],
        inputs=["FeatureInput", "FeatureShape"],
        scaled=["Scaled"],
        target_transforms=["TRANSFORMS", "BroughtBack", "TargetTransform"],
        settings=["ARCHITECTURES", "is_custom", "known_architecture", "parse_settings"],
    )

__all__ = [
    "ARCHITECTURES",
    "TRANSFORMS",
    "Averaged",
    "BroughtBack",
    "FeatureInput",
    "FeatureShape",
    "ParameterGroup",
    "Scaled",
    "TargetTransform",
    "build_network",
    "inputs_taken",
    "is_custom",
    "known_architecture",
    "never_read",
    "parse_settings",
    "settings_asked_for",
]
