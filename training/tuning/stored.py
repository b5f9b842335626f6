"""The parameters that were chosen, kept as JSON where training finds them: one document per product."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from registry.canonical_json import canonical_json
from registry.errors import IntegrityError, NotFound
from registry.locks import exclusive
from registry.settings import Settings
from training.tuning.plan import Plan
from training.tuning.search import Found
from training.tuning.space import BY_COMPONENT, BY_OBJECTIVE, COMMON, Parameter
from training.tuning.trials import counts

FOLDER: Final = "tuned"
FORMAT: Final = 1


def tuned_file(settings: Settings, product: str) -> Path:
    """Return where the chosen parameters of a product lie."""
    return settings.home / FOLDER / f"{product}.json"


def pictures_folder(settings: Settings, product: str) -> Path:
    """Return where the pictures of a product's searches lie."""
    return settings.home / FOLDER / product


def keep(settings: Settings, product: str, plan: Plan, found: Iterable[Found]) -> Path:
    """Write the chosen parameters of some components into the product's document, whole or not at all; return its file.

    Components that were not searched keep what they had.
    """
    target = tuned_file(settings, product)
    with exclusive(target.with_name(f".{product}.lock")):
        before = read_tuned(settings, product) if target.is_file() else {"components": {}}
        components = {**before["components"], **{one.component: _entry(plan, one) for one in found}}
        document = {"format": FORMAT, "product": product, "components": components}
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".staging-", delete=False) as file:
            file.write(canonical_json(document))
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(target)
    return target


def read_tuned(settings: Settings, product: str) -> dict[str, Any]:
    """Return the document of a product.

    Raises
    ------
    NotFound
        If the product has not been searched in this home.
    IntegrityError
        If the document is damaged, speaks of another product, or has parameters that are not searched here.
    """
    file = tuned_file(settings, product)
    if not file.is_file():
        raise NotFound(
            f"no parameters are stored for {product}", where=str(file), remedy=f"Run `roadrisk tune {product}` first."
        )
    try:
        document = json.loads(file.read_bytes())
        faults = _faults(document, product)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        faults = [f"{type(error).__name__}: {error}"]
    if faults:
        raise IntegrityError(
            f"stored parameters cannot be used: {'; '.join(faults)}", where=str(file),
            remedy=f"Move the file away and run `roadrisk tune {product}`, which takes up its studies.",
        )
    checked: dict[str, Any] = document
    return checked


def stored_parameters(settings: Settings, product: str) -> dict[str, dict[str, Any]]:
    """Return the stored LightGBM parameters by component.

    They may have been found on an earlier snapshot; the document says on which. Errors are those of `read_tuned`.
    """
    components = read_tuned(settings, product)["components"]
    return {name: dict(entry["parameters"]) for name, entry in components.items()}


def _entry(plan: Plan, found: Found) -> dict[str, Any]:
    start = found.start
    return {
        "parameters": dict(found.chosen.parameters), "study": found.study, "trial": found.chosen.number,
        "snapshot": plan.snapshot, "seed": plan.seed, "objectives": list(found.objectives), "pick": str(found.pick),
        "measures": dict(found.chosen.measures), "starting_point": dict(start.measures) if start else None,
        "trials": counts(found.trials), "finalists": [trial.number for trial in found.finalists],
    }


def _faults(document: Mapping[str, Any], product: str) -> list[str]:
    faults = []
    if (document["format"], document["product"]) != (FORMAT, product):
        faults.append(f"format {document['format']!r} of {document['product']!r}")
    for name, entry in document["components"].items():
        for parameter, value in entry["parameters"].items():
            if parameter not in _SEARCHED:
                faults.append(f"{name}: nobody searches a parameter {parameter!r}")
            elif not isinstance(value, int | float) or not math.isfinite(value):
                faults.append(f"{name}: {parameter} is {value!r}")
    return faults


def _names(*spaces: Iterable[Parameter]) -> frozenset[str]:
    return frozenset(parameter.name for space in spaces for parameter in space)


_SEARCHED: Final = _names(
    COMMON, *BY_OBJECTIVE.values(), *(space for product in BY_COMPONENT.values() for space in product.values())
)
