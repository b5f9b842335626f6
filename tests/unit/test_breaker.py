"""The circuit breaker as a state machine, and what of a store's answers counts as a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.entities import VEHICLE
from registry.errors import ServiceUnavailable, UnknownEntity
from serving.breaker import Breaker, Circuit
from tests.lib.desks import PLATE, VIN, DictSource, tiny_source


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def circuit() -> tuple[Circuit, Clock]:
    clock = Clock()
    return Circuit(failures=3, pause_s=10.0, clock=clock), clock


def test_it_opens_after_failures_in_a_row_and_closes_by_one_answer() -> None:
    met, clock = circuit()
    for failed in (True, True, False, True, True):
        assert met.enter() == 0.0
        met.leave(failed=failed)
        assert met.state == "closed"
    met.enter()
    met.leave(failed=True)
    assert (met.state, met.enter()) == ("open", 10.0)
    clock.now = 9.0
    assert met.enter() == pytest.approx(1.0)
    clock.now = 10.0
    assert (met.state, met.enter()) == ("half-open", 0.0)
    assert met.enter() > 0, "one call tries, the others still wait"
    met.leave(failed=True)
    assert (met.state, met.enter()) == ("open", 10.0)
    clock.now = 20.0
    met.enter()
    met.leave(failed=False)
    assert met.state == "closed"


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 15.0)), max_size=60))
def test_a_call_goes_through_unless_it_is_open(steps: list[tuple[bool, float]]) -> None:
    met, clock = circuit()
    in_a_row, opened_at = 0, None
    for failed, later in steps:
        clock.now += later
        expected = opened_at is None or clock.now >= opened_at + 10.0
        assert (met.enter() == 0.0) == expected
        if not expected:
            continue
        met.leave(failed=failed)
        in_a_row = in_a_row + 1 if failed else 0
        opened_at = clock.now if in_a_row >= 3 else None


class Away(DictSource):
    """A store that does not answer as long as it is told so."""

    away = True
    asked = 0

    def resolve(self, entity, key):
        type(self).asked += 1
        if self.away:
            raise ServiceUnavailable("the feature store does not answer (TimeoutError)", remedy="Try again shortly.")
        return super().resolve(entity, key)


class Unread(DictSource):
    """A store that gives no inputs; a VIN's pseudonym is computed without it."""

    def read(self, product_id, entity_id, *, resources=None):
        raise ServiceUnavailable("the feature store does not answer (TimeoutError)", remedy="Try again shortly.")


def test_a_store_that_does_not_answer_is_left_alone_for_a_while_and_found_again() -> None:
    clock = Clock()
    source = Away(tiny_source().keys, tiny_source().inputs)
    breaker = Breaker(source, Circuit(failures=3, pause_s=10.0, clock=clock))
    for _ in range(3):
        with pytest.raises(ServiceUnavailable, match="does not answer"):
            breaker.resolve(VEHICLE, PLATE)
    with pytest.raises(ServiceUnavailable, match="is not asked again yet") as refused:
        breaker.resolve(VEHICLE, PLATE)
    assert refused.value.details["retry_after_s"] == 10
    assert source.asked == 3
    source.away, clock.now = False, 10.0
    assert breaker.resolve(VEHICLE, PLATE) == "e1"
    assert breaker.circuit.state == "closed"


def test_a_pseudonym_that_is_computed_neither_hides_that_the_store_is_away_nor_waits_for_it() -> None:
    source = tiny_source()
    breaker = Breaker(Unread(source.keys, source.inputs), Circuit(failures=3))
    for _ in range(3):
        assert breaker.resolve(VEHICLE, VIN) == "e1"
        with pytest.raises(ServiceUnavailable, match="does not answer"):
            breaker.read("maintenance", "e1")
    assert breaker.circuit.state == "open"
    assert breaker.resolve(VEHICLE, VIN) == "e1"
    assert breaker.resolve_many(VEHICLE, [VIN]) == ["e1"]
    for keys in ([PLATE], [VIN, PLATE]):
        with pytest.raises(ServiceUnavailable, match="is not asked again yet"):
            breaker.resolve_many(VEHICLE, keys)


def test_that_an_entity_is_not_known_is_an_answer() -> None:
    breaker = Breaker(tiny_source(), Circuit(failures=1))
    for _ in range(3):
        with pytest.raises(UnknownEntity, match="no such"):
            breaker.resolve(VEHICLE, {"plate_no": "unknown", "plate_color": "2"})
    assert breaker.circuit.state == "closed"
