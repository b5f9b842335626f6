"""What nobody is told need not be made: without the decomposition a coarser answer leaves as the same bytes."""

from __future__ import annotations

import pytest

from registry.products import product_named
from serving.answering import answer_score
from serving.detail import reduced
from serving.encode import encoded
from tests.lib.desks import tiny_desk, tiny_inputs

PRODUCT = "insurance_pricing"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    desk = tiny_desk(tmp_path_factory.mktemp("desk"))
    model = desk.live.current.product(PRODUCT)
    made = [
        answer_score(
            model.scorer, model.version, tiny_inputs(), score_id="a" * 32, product=product_named(PRODUCT), exact=exact
        )
        for exact in (True, False)
    ]
    desk.decisions.close()
    return made


@pytest.mark.parametrize("detail", ["groups", "reasons"])
def test_a_coarser_answer_is_the_same_bytes_without_the_decomposition(both, detail):
    whole, lean = both
    assert whole.answer["decomposition"]["contributions"]
    assert lean.answer["decomposition"] is None
    assert encoded(reduced(whole.answer, detail)) == encoded(reduced(lean.answer, detail))


def test_the_record_is_the_same(both):
    whole, lean = both
    assert encoded(whole.recorded_answer) == encoded(lean.recorded_answer)
    for name in ("base", "clamp", "contributions", "encoded"):
        assert getattr(whole, name) == getattr(lean, name)
