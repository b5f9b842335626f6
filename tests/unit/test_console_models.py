"""The pages of the models: what lies beside a card is shown, what does not exist says so, and nothing else can be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from registry.evidence import write_evidence
from registry.settings import Settings
from serving.console.effect_chart import effect_charts
from serving.console.model_view import PICTURES, versions_of
from tests.lib.bundles import tiny_bundle, tiny_rows
from tests.lib.consoles import Installed, tiny_console
from tests.lib.registered import full_card

PNG = b"\x89PNG\r\n\x1a\nnot much"
PRODUCT = "enterprise_risk"


@pytest.fixture(scope="module")
def audit() -> dict:
    from registry.scorer import Scorer
    from training.explained.audit import audited
    from training.explained.sample import draw_sample

    frame = pd.DataFrame(tiny_rows(3, 120))
    frame["fold"] = np.where(np.arange(120) < 80, "train", "test")
    return audited(draw_sample(Scorer(tiny_bundle(PRODUCT)), frame, seed=1, rows=20, background=5), seed=1) | {"truth": None}


@pytest.fixture
def installed(tmp_path) -> Installed:
    return tiny_console(tmp_path)


def with_card(settings: Settings, seed: int = 1) -> str:
    """Write the card of a tiny bundle with one picture; return its name on the pages."""
    bundle = tiny_bundle(PRODUCT, seed)
    sparse, manifest = full_card(bundle), bundle.manifest
    card = sparse | {
        "windows": sparse["windows"] | {"valid": ["2025-07-01", "2025-12-31"]},
        "data": sparse["data"] | {"rows": {"train": 80, "valid": 20, "test": 20}, "data_cut": manifest.provenance.data_cut},
        "features": [{"name": one.name, "zh": one.zh, "en": one.en} for one in manifest.features],
        "calibration": [{"component": "events", "n_trees": 20, "slope": 1.0, "intercept": 0.0}],
    }
    folder = settings.home / "cards" / f"{PRODUCT}-{bundle.digest[:16]}"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card))
    for kind in ("lorenz", "shap_beeswarm"):
        for language in ("zh", "en"):
            (folder / f"{kind}.{language}.png").write_bytes(PNG + language.encode())
    return folder.name


def test_a_version_is_shown_with_what_is_known_of_it(installed, audit):
    name = with_card(installed.settings)
    digest = json.loads((installed.settings.home / "cards" / name / "card.json").read_text())["digest"]
    write_evidence(installed.settings, PRODUCT, digest, "explanation", audit)
    visitor = installed.visitor(installed.key)
    page = visitor.get(f"/console/models/{name}").text
    assert digest in page
    assert "pictures/lorenz" in page
    assert "pictures/shap_beeswarm" in page
    assert "pictures/lift" not in page
    assert f"{100 * audit['stability']['jaccard']:.1f}%" in page
    assert page.count('class="effect-line"') == len(audit["effects"])
    assert "roadrisk models promote enterprise_risk" in page
    assert name in visitor.get("/console/models").text


def test_a_version_that_was_not_audited_says_what_to_run(installed):
    page = installed.visitor(installed.key).get(f"/console/models/{with_card(installed.settings)}?lang=en").text
    assert "roadrisk explain audit enterprise_risk" in page
    assert "never been live" in page


def test_pictures_come_in_the_language_of_the_visit(installed):
    name, visitor = with_card(installed.settings), installed.visitor(installed.key)
    for language in ("en", "zh"):
        visitor.get(f"/console/models?lang={language}")
        answer = visitor.get(f"/console/models/{name}/pictures/lorenz")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == PNG + language.encode()


@pytest.mark.parametrize("path", [
    "enterprise_risk-0000000000000000", "..%2f..%2fledger", "x", "{name}/pictures/card.json", "{name}/pictures/lift",
    "{name}/pictures/..%2fcard", "compare/enterprise_risk-0000000000000000-000000000000", "compare/%2e%2e",
])
def test_what_does_not_exist_cannot_be_read(installed, path):
    name = with_card(installed.settings)
    (installed.settings.home / "cards" / "secret.png").write_bytes(b"secret")
    assert installed.visitor(installed.key).get(f"/console/models/{path.format(name=name)}").status_code == 404


def test_without_a_session_no_picture_is_handed_out(installed):
    name = with_card(installed.settings)
    assert installed.visitor().get(f"/console/models/{name}/pictures/lorenz").status_code == 303


def test_a_card_that_is_damaged_is_told_and_takes_no_page_down(installed):
    name = with_card(installed.settings)
    (installed.settings.home / "cards" / name / "card.json").write_text("{")
    assert installed.visitor(installed.key).get(f"/console/models/{name}").status_code == 503
    assert installed.visitor(installed.key).get("/console/models").status_code == 200


def test_a_kept_comparison_is_found_from_both_versions_and_shown(installed):
    names = [with_card(installed.settings, seed) for seed in (1, 2)]
    digests = [json.loads((installed.settings.home / "cards" / one / "card.json").read_text())["digest"] for one in names]
    folder = installed.settings.home / "comparisons" / f"{PRODUCT}-{digests[0][:12]}-{digests[1][:12]}"
    folder.mkdir(parents=True)
    (folder / "comparison.json").write_text(json.dumps(comparison_of(digests)))
    (folder / "dislocation.zh.png").write_bytes(PNG)
    visitor = installed.visitor(installed.key)
    for name in names:
        assert f"/console/models/compare/{folder.name}" in visitor.get(f"/console/models/{name}").text
    page = visitor.get(f"/console/models/compare/{folder.name}").text
    assert "+0.0200" in page
    assert "12.5%" in page
    assert visitor.get(f"/console/models/{folder.name}/pictures/dislocation").content == PNG


def comparison_of(digests: list[str]) -> dict:
    measure = {"a": 0.32, "b": 0.30, "difference": 0.02, "interval": [0.01, 0.03], "better": "a"}
    return {
        "product": PRODUCT, "a": {"name": "a", "version": 2, "digest": digests[0]},
        "b": {"name": "b", "version": 1, "digest": digests[1]}, "rows": 100, "groups": 40, "simulated": True,
        "measures": {"events": {"rank_measure": "gini", "measures": {"gini": measure}}},
        "scores": {
            "mean_abs_points": 4.0, "p95_abs_points": 11.0, "tier_changed": 0.125, "tier_raised": 0.05, "rank_correlation": 0.97,
            "tiers": np.eye(4).tolist(),
        },
        "reasons": {"rows": 100, "first_differs": 0.1, "any_differs": 0.3},
        "changes": {"inputs": {"n_a": 6, "n_b": 6, "added": [], "removed": [], "changed": {}}, "parameters": {}},
    }


def test_versions_are_found_by_their_cards(tmp_path: Path):
    settings = Settings(home=tmp_path, keys_dir=tmp_path / "keys")
    name = with_card(settings)
    (tmp_path / "cards" / "something else").mkdir()
    assert versions_of(settings) == versions_of(settings, PRODUCT) == [name]
    assert versions_of(settings, "maintenance") == []


def test_effects_share_one_scale_and_zero_lies_where_it_belongs():
    flat, steep = effect_charts([
        {"feature": "a", "x": [0.0, 1.0, 4.0], "y": [0.0, 0.0, 0.0]},
        {"feature": "b", "x": [0.0, 1.0, 2.0], "y": [-10.0, 0.0, 30.0]},
    ])
    assert flat.zero == steep.zero == 75.0
    assert flat.path == "0.00,75.00 25.00,75.00 100.00,75.00"
    assert steep.path == "0.00,100.00 50.00,75.00 100.00,0.00"


def test_every_picture_has_a_caption():
    from serving.console.messages import catalogue

    assert [kind for kind in (*PICTURES, "dislocation") if f"picture.{kind}" not in catalogue("zh")] == []
