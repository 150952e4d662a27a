"""What the replicas of an endpoint shall serve, and the files of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from orchestrator.errors import ServingError
from orchestrator.serving.messages import AssignedModel, Assignment


class Distributor:
    """Keeps the present assignment, and prepared models for replicas on other machines."""

    def __init__(self) -> None:
        self._assignment = Assignment()
        self._files: dict[str, Mapping[str, bytes]] = {}

    @property
    def assignment(self) -> Assignment:
        """What replicas shall serve now."""
        return self._assignment

    def publish(self, number: int, models: Mapping[str, AssignedModel]) -> None:
        """Takes what replicas are to serve from now on; what has a lower number than the present one is old."""
        if number >= self._assignment.number:
            self._assignment = replace(self._assignment, number=number, models=models)

    def drain(self) -> None:
        """From now on replicas refuse what arrives; they are told as of other models."""
        self._assignment = replace(self._assignment, number=self._assignment.number + 1, draining=True)

    def put_files(self, key: str, files: Mapping[str, bytes]) -> None:
        """Keeps the files of a prepared model, name -> content, under its key."""
        self._files[key] = files

    def files(self, key: str) -> Mapping[str, bytes]:
        """The files of a prepared model.

        Raises:
            ServingError: none were put under that key.
        """
        if key not in self._files:
            raise ServingError(f"the files of '{key}' are not here; deploy the model again")
        return self._files[key]

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys under which there are no files."""
        return [key for key in keys if key not in self._files]

    def drop_files(self, keep: Collection[str]) -> None:
        """Forgets the files of all keys but those to keep."""
        self._files = {key: files for key, files in self._files.items() if key in keep}
