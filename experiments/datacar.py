"""Study `datacar`: frequency and pure premium of Australian vehicle policies beside a GLM and an EBM, in five rounds.

Everything is declared in `declarations/datacar.yaml`. No published figure with a usable protocol is known.
"""

from __future__ import annotations

from typing import Any, Final

from experiments.table_declaration import shipped
from experiments.table_study import run_table
from registry.settings import Settings

STUDY: Final = "datacar"


def datacar(settings: Settings, **options: Any) -> dict[str, Any]:
    """Run the study; `options` are those of `experiments.table_study.run_table`."""
    return run_table(shipped(STUDY), settings, **options)
