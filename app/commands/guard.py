"""Our packages have plain names. Where another distribution brings one of the same name, say so instead of breaking."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from wsi.errors import UsageError

PACKAGES = ("wsi", "tiler", "classifier", "aggregate", "app")


def check_packages() -> None:
    """Raises UsageError naming the first package that is not ours."""
    home = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != home:
            from importlib.metadata import packages_distributions

            owners = ", ".join(packages_distributions().get(name, ["an unknown distribution"]))
            raise UsageError(
                f"the package {name!r} found at {origin or 'no place'} is not pulmoscope's (it belongs to {owners})",
                hint="install pulmoscope in an environment of its own",
            )
