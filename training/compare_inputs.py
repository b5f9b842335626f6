"""What two versions were made from, and where that differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.bundle import Manifest


def changes(a: Manifest, b: Manifest) -> dict[str, Any]:
    """Return differences of inputs, parameters, windows and everything else of two manifests; what is equal is left out.

    Returns
    -------
    dict
        `inputs`: added (in A only), removed (in B only), changed (name -> field -> a, b) and whether the order differs;
        `parameters`, `components`, `windows`, `provenance`, `libraries`: name -> a, b.
    """
    ours, theirs = a.provenance, b.provenance
    windows = ("train_window", "valid_window", "test_window")
    return {
        "inputs": _inputs(a, b),
        "components": _differences(_components(a), _components(b)),
        "parameters": _differences(_parameters(a), _parameters(b)),
        "windows": _differences({name: getattr(ours, name) for name in windows}, {name: getattr(theirs, name) for name in windows}),
        "provenance": _differences(
            {name: getattr(ours, name) for name in ("snapshot", "data_cut", "seed", "simulated")},
            {name: getattr(theirs, name) for name in ("snapshot", "data_cut", "seed", "simulated")},
        ),
        "libraries": _differences(ours.libraries, theirs.libraries),
        "scale": _differences(
            {"cut_points": a.cut_points, "reference_rows": a.reference.n_rows, "mean_margin": a.reference.mean_margin},
            {"cut_points": b.cut_points, "reference_rows": b.reference.n_rows, "mean_margin": b.reference.mean_margin},
        ),
    }


def _inputs(a: Manifest, b: Manifest) -> dict[str, Any]:
    ours = {feature.name: feature.model_dump(mode="json") for feature in a.features}
    theirs = {feature.name: feature.model_dump(mode="json") for feature in b.features}
    both = [name for name in ours if name in theirs]
    changed = {name: found for name in both if (found := _differences(ours[name], theirs[name]))}
    return {
        "n_a": len(ours), "n_b": len(theirs), "added": [name for name in ours if name not in theirs],
        "removed": [name for name in theirs if name not in ours], "changed": changed,
        "order_differs": both != [name for name in theirs if name in ours],
    }


def _components(manifest: Manifest) -> dict[str, Any]:
    fields = ("objective", "weight", "n_trees", "slope", "intercept")
    return {f"{one.name}.{name}": getattr(one, name) for one in manifest.components for name in fields}


def _parameters(manifest: Manifest) -> dict[str, Any]:
    return {
        f"{component}.{name}": value
        for component, parameters in manifest.provenance.parameters.items() for name, value in parameters.items()
    }


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    names = [*a, *(name for name in b if name not in a)]
    return {name: {"a": a.get(name), "b": b.get(name)} for name in names if a.get(name) != b.get(name)}
