"""Other values for what a library keeps in its modules and classes, where it has no option for them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, /, **values: Any) -> Iterator[None]:  # noqa: ANN401
    """Gives attributes other values for as long as the context is open.

    Args:
        owner: a module, a class, or a mapping such as `os.environ`, of which entries are meant that may be missing.
        **values: by name; as they are before, they are again afterwards.

    Raises:
        AttributeError: there is nothing of that name.
    """
    if isinstance(owner, MutableMapping):
        missing = values.keys() - owner.keys()
        entries = {name: owner[name] for name in values.keys() - missing}
        owner.update(values)
        try:
            yield
        finally:
            owner.update(entries)
            for name in missing:
                owner.pop(name, None)
        return
    before = {name: getattr(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)
