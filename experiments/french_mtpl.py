"""Study `french-mtpl`: the trainer, bundle and explanation on a real motor portfolio with published results.

Two protocols, two scores, declared in `declarations/french-mtpl.yaml`: the frequency protocol judges a claim frequency on
unclipped data, the pure premium protocol a frequency times severity on clipped data. The second is the bundle `french_mtpl` that
the service can serve.
"""

from __future__ import annotations

from typing import Any, Final

from experiments.table_declaration import shipped
from experiments.table_study import run_table
from registry.settings import Settings

STUDY: Final = "french-mtpl"
PRODUCT: Final = "french_mtpl"


def french_mtpl(settings: Settings, **options: Any) -> dict[str, Any]:
    """Run the study; `options` are those of `experiments.table_study.run_table`."""
    return run_table(shipped(STUDY), settings, **options)
