"""Bundles of every release still load and score as they did.

Run as a module this file makes them (`python -m tests.golden.test_golden_bundles VERSION`): once per release, and never
over one that exists. Under pytest it holds today's code against all of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from registry.bundle import canonical_json, parse_bundle, read_files, write_bundle
from registry.scorer import Scorer
from tests.lib.bundles import COMPONENTS, tiny_bundle, tiny_rows

HOME = Path(__file__).parent / "bundles"
EXPECTED = "expected.json"
ROWS_SEED, N_ROWS = 99, 12
PRODUCT_SEEDS = {"enterprise_risk": 1, "insurance_pricing": 2, "maintenance": 3, "driver_fatigue": 4}

CASES = sorted(path.parent for path in HOME.glob("*/*/" + EXPECTED))


@pytest.mark.parametrize("folder", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_released_bundle_scores_as_it_did(folder: Path) -> None:
    expected = json.loads((folder / EXPECTED).read_text())
    files = {name: content for name, content in read_files(folder).items() if name != EXPECTED}
    bundle = parse_bundle(files, where=folder.name)
    assert bundle.digest == expected["digest"]
    scorer = Scorer(bundle)
    matrix, unseen = scorer.encode(expected["rows"])
    explanation = scorer.explain(matrix)
    assert unseen == expected["unseen"]
    assert explanation.points.tolist() == expected["points"]
    np.testing.assert_array_equal(explanation.contributions, np.array(expected["contributions"]))


def test_every_kind_of_answer_has_a_golden_bundle() -> None:
    kinds = {parse_bundle(_bundle_files(folder), where=folder.name).manifest.answer for folder in CASES}
    assert kinds == set(COMPONENTS)


def _bundle_files(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in read_files(folder).items() if name != EXPECTED}


def make(version: str) -> None:
    """Write the golden bundles of a release."""
    target = HOME / version
    if target.exists():
        raise SystemExit(f"the golden bundles of {version} exist; a release is not rewritten")
    rows = tiny_rows(ROWS_SEED, N_ROWS)
    for product, seed in PRODUCT_SEEDS.items():
        bundle = tiny_bundle(product, seed)
        folder = write_bundle(bundle, target).rename(target / product)
        scorer = Scorer(bundle)
        matrix, unseen = scorer.encode(rows)
        explanation = scorer.explain(matrix)
        expected = {
            "digest": bundle.digest, "rows": rows, "unseen": unseen, "points": explanation.points.tolist(),
            "contributions": explanation.contributions.tolist(),
        }
        (folder / EXPECTED).write_bytes(canonical_json(expected))


if __name__ == "__main__":
    make(sys.argv[1])
