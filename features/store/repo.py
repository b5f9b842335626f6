"""The one module that `feast apply` imports; Feast imports every file of its folder, so nothing else lives here."""

from __future__ import annotations

from features.views import feast_objects
from registry.settings import Settings

# Feast takes the objects that are names of this module and deletes from its registry what it does not find, so each
# object becomes a name of its own.
globals().update(
    {f"{type(found).__name__}_{found.name}": found for found in feast_objects(Settings().feature_dir)}
)
