"""Bundles of every release still load, score, explain and answer as they did, to the last bit.

Run as a module this file makes them (`python -m tests.golden.test_golden_bundles VERSION`): once per release, and never
over one that exists. Under pytest it holds today's code against all of them. The bundles of 0.1.0 lack every optional field that
came later; theirs are the answers that the code of 0.1.0 gave (`answers.json`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from registry.answers import answer_of
from registry.bundle import ScoreBundle, make_bundle, parse_bundle, read_files, write_bundle
from registry.canonical_json import canonical_json
from registry.scorer import Scorer
from tests.lib.bundles import COMPONENTS, tiny_rows
from tests.lib.full_bundles import full_bundle

HOME = Path(__file__).parent / "bundles"
EXPECTED, ANSWERS = "expected.json", "answers.json"
ROWS_SEED, N_ROWS = 99, 12
EXPOSURE = 0.5
PRODUCT_SEEDS = {"enterprise_risk": 1, "insurance_pricing": 2, "maintenance": 3, "driver_fatigue": 4}

CASES = sorted(path.parent for path in HOME.glob("*/*/" + EXPECTED))
RELEASES = sorted({folder.parent.name for folder in CASES})
OPTIONAL_COMPONENT = ("dispersion", "line", "cause")
OPTIONAL = ("lines", "band", "service")


def bundle_in(folder: Path) -> ScoreBundle:
    files = {name: content for name, content in read_files(folder).items() if name not in (EXPECTED, ANSWERS)}
    return parse_bundle(files, where=folder.name)


def scored(bundle: ScoreBundle, rows: list[dict[str, Any]]) -> dict[str, Any]:
    scorer = Scorer(bundle)
    matrix, unseen = scorer.encode(rows)
    explanation = scorer.explain(matrix)
    return {
        "digest": bundle.digest, "rows": rows, "unseen": unseen, "points": explanation.points.tolist(),
        "contributions": explanation.contributions.tolist(),
    }


def answered(bundle: ScoreBundle, rows: list[dict[str, Any]], *, inputs: bool) -> dict[str, Any]:
    scorer = Scorer(bundle)
    margins = scorer.component_margins(scorer.encode(rows)[0]).tolist()
    told = [{"inputs": row} if inputs else {} for row in rows]
    return {
        "exposure": EXPOSURE,
        "answers": [answer_of(bundle.manifest, m, **more) for m, more in zip(margins, told, strict=True)],
        "answers_with_exposure": [
            answer_of(bundle.manifest, m, exposure=EXPOSURE, **more) for m, more in zip(margins, told, strict=True)
        ],
    }


@pytest.mark.parametrize("folder", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_released_bundle_scores_and_answers_as_it_did(folder: Path) -> None:
    expected = json.loads((folder / EXPECTED).read_text())
    bundle = bundle_in(folder)
    assert canonical_json(scored(bundle, expected["rows"])) == (folder / EXPECTED).read_bytes()
    with_inputs = bundle.manifest.service is not None
    assert canonical_json(answered(bundle, expected["rows"], inputs=with_inputs)) == (folder / ANSWERS).read_bytes()


@pytest.mark.parametrize("release", RELEASES)
def test_every_kind_of_answer_has_a_golden_bundle_in_every_release(release: str) -> None:
    found = [bundle_in(folder).manifest for folder in CASES if folder.parent.name == release]
    assert {manifest.answer for manifest in found} == set(COMPONENTS)
    assert {manifest.product for manifest in found} == set(PRODUCT_SEEDS)


def test_the_first_release_lacks_what_came_later_and_the_last_has_all_of_it() -> None:
    first, last = ([folder for folder in CASES if folder.parent.name == release] for release in (RELEASES[0], RELEASES[-1]))
    for folder in first:
        text = (folder / "manifest.json").read_text()
        assert not any(f'"{name}"' in text for name in (*OPTIONAL_COMPONENT, *OPTIONAL))
    manifests = [bundle_in(folder).manifest for folder in last]
    assert all(any(getattr(manifest, name) for manifest in manifests) for name in OPTIONAL)
    components = [component for manifest in manifests for component in manifest.components]
    assert all(any(getattr(component, name) is not None for component in components) for name in OPTIONAL_COMPONENT)


@pytest.mark.parametrize("folder", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_released_bundle_written_again_means_the_same(folder: Path) -> None:
    bundle = bundle_in(folder)
    boosters = {component.name: bundle.booster_text(component.name) for component in bundle.manifest.components}
    again = make_bundle(bundle.manifest, bundle.golden, boosters)
    assert (again.manifest, again.golden) == (bundle.manifest, bundle.golden)
    assert parse_bundle(again.files, where="again") == again


def make(version: str) -> None:
    """Write the golden bundles of a release, with every optional field of the format."""
    target = HOME / version
    if target.exists():
        raise SystemExit(f"the golden bundles of {version} exist; a release is not rewritten")
    rows = tiny_rows(ROWS_SEED, N_ROWS)
    for product, seed in PRODUCT_SEEDS.items():
        bundle = full_bundle(product, seed)
        folder = write_bundle(bundle, target).rename(target / product)
        (folder / EXPECTED).write_bytes(canonical_json(scored(bundle, rows)))
        with_inputs = bundle.manifest.service is not None
        (folder / ANSWERS).write_bytes(canonical_json(answered(bundle, rows, inputs=with_inputs)))


if __name__ == "__main__":
    make(sys.argv[1])
