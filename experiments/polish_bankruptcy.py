"""Study `polish-bankruptcy`: who fails within a year, by ten folds with nested choices, beside a scorecard and an EBM.

Everything is declared in `declarations/polish-bankruptcy.yaml`.
"""

from __future__ import annotations

from typing import Any, Final

from experiments.table_declaration import shipped
from experiments.table_study import run_table
from registry.settings import Settings

STUDY: Final = "polish-bankruptcy"


def polish_bankruptcy(settings: Settings, **options: Any) -> dict[str, Any]:
    """Run the study; `options` are those of `experiments.table_study.run_table`."""
    return run_table(shipped(STUDY), settings, **options)
