"""A row of a batch gets what it gets alone, byte for byte: every product, every detail, with and without a score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from features.online import OnlineInputs
from registry.products import PRODUCTS
from registry.scorer import Scorer
from registry.strict_json import strict_json
from registry.treeshap.exact import MANY
from serving.answer_schema import Detail
from serving.answering import Scored, answer_score
from serving.encode import encoded
from serving.live import LiveScorer
from serving.rows import score_many
from tests.lib.bundles import tiny_rows
from tests.lib.desks import RESOURCES, tiny_inputs, with_age
from tests.lib.full_bundles import full_bundle

ROWS = MANY + 40


def rows_of_all_kinds() -> list[OnlineInputs]:
    """Return rows in turn: ordinary, without a score, of a category never seen, of extreme values, with a source that is absent."""
    blank = dict.fromkeys(tiny_rows(7, 1)[0])
    made = []
    for seed in range(ROWS):
        plain = tiny_inputs(seed)
        made.append((
            plain, replace(plain, values=plain.values | blank), tiny_inputs(seed, use="ship"),
            tiny_inputs(seed, penalties_365d=1e6, age_year=-0.0, night_share=1e-300, mileage_90d_km=1e15),
            with_age(plain, RESOURCES[seed % len(RESOURCES)], None), replace(plain, exposure=None),
        )[seed % 6])
    return made


def texts(one: Scored) -> tuple[bytes, ...]:
    """Return what leaves at each detail, and what is recorded."""
    recorded: dict[str, Any] = {
        "base": one.base, "clamp": one.clamp, "contributions": dict(one.contributions or {}), "encoded": one.encoded,
    }
    return (*(encoded(one.sendable(detail)) for detail in get_args(Detail)), strict_json(recorded | one.recorded_texts))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("product_id", PRODUCTS)
def test_a_row_of_a_batch_is_answered_and_recorded_as_alone(product_id: str, exact: bool) -> None:
    product, model = PRODUCTS[product_id], LiveScorer("3", Scorer(full_bundle(product_id)))
    inputs, ids = rows_of_all_kinds(), [f"{place:032x}" for place in range(ROWS)]
    together = score_many(model, inputs, product=product, score_ids=ids, exact=exact, written=True)
    grey = 0
    for one, score_id, made in zip(inputs, ids, together, strict=True):
        alone = answer_score(model.scorer, model.version, one, score_id=score_id, product=product, exact=exact, written=True)
        assert texts(made) == texts(alone)
        grey += made.base is None
    assert ROWS // 6 <= grey < ROWS // 2
