"""What a worker does beside its first requests, so that the first page of each kind is not the slow one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from registry.errors import RoadRiskError
from serving.console.pages import environment
from serving.console.portrait_scores import MONTHS

if TYPE_CHECKING:
    from serving.panel.reader import Panel


def warm_up(panel: Panel) -> None:
    """Begin to compile the templates and to read what every portrait reads."""
    threading.Thread(target=_warm, args=(panel,), name="console-warm-up", daemon=True).start()


def _warm(panel: Panel) -> None:
    for name in environment().list_templates(extensions=["html"]):
        environment().get_template(name)
    # The dossier is read through it.
    import pyarrow.dataset  # noqa: F401

    try:
        # One month more than is shown: the first that is shown has a change too.
        panel.warm(MONTHS + 1)
    except (RoadRiskError, OSError):
        # A panel that cannot be read is told by the page that needs it.
        return
