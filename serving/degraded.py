"""What a product may answer from while the online store does not answer: the inputs of the entity's last recorded decision.

They were read once and are in the ledger, so nothing is guessed; they are as old as that decision says, and the answer says that
it is degraded. Which products may, is a setting (`Settings.degraded_products`): the others refuse with 503.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from features.online import OnlineInputs, SourceAge
from registry.bundle import Manifest
from registry.decisions import Decision


def last_known(decision: Decision, manifest: Manifest, resources: frozenset[str] | None) -> OnlineInputs | None:
    """Return the inputs of a past decision as far as a grant covers them; None where they do not fit the live model.

    Parameters
    ----------
    decision
        The newest decision of the product about the entity.
    manifest
        The live model's.
    resources
        Resources that may be read; None for all.
    """
    if any(name not in decision.inputs for name in manifest.feature_names):
        return None
    covered = {f.name for f in manifest.features if resources is None or resources.issuperset(f.resources)}
    sources = tuple(_source(one, resources) for one in decision.answer["sources"])
    return OnlineInputs(
        entity_id=decision.entity_id, related=decision.related,
        values={name: value if name in covered else None for name, value in decision.inputs.items()},
        as_of=decision.as_of, sources=sources, exposure=decision.exposure,
    )


def _source(recorded: dict[str, object], resources: frozenset[str] | None) -> SourceAge:
    until = recorded["complete_until"]
    age = SourceAge(
        resource=str(recorded["resource"]), complete_until=datetime.fromisoformat(str(until)) if until else None,
        age_d=None if recorded["age_d"] is None else float(str(recorded["age_d"])), limit_d=int(str(recorded["limit_d"])),
        authorised=bool(recorded.get("authorised", True)),
    )
    if resources is None or age.resource in resources:
        return age
    return replace(age, complete_until=None, age_d=None, authorised=False)
