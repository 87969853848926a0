"""FunASR's model families: how each is exported, run and decoded.

A family is a package; its module ``family`` holds a :class:`safeasr.families.base.Family`, and a
line of :mod:`safeasr.families.table` says where. docs/adding-a-family.md shows how to add one.
"""

from __future__ import annotations

from safeasr.families.table import (
    family_of_bundle,
    family_of_class,
    model_classes,
    register_family,
)

__all__ = ["family_of_bundle", "family_of_class", "model_classes", "register_family"]
