"""The one module that `feast apply` imports; Feast imports every file of its folder, so nothing else lives here."""

from __future__ import annotations

from features.views import feast_objects
from registry.settings import Settings

OBJECTS = feast_objects(Settings().feature_dir)
