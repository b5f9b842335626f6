"""What is worked out once per bundle belongs to the manifest that it was worked out of."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from registry.bundle import Manifest
from registry.partition import Partition
from tests.lib.bundles import tiny_bundle


def test_a_copy_with_other_features_works_everything_out_anew():
    manifest = tiny_bundle("insurance_pricing").manifest
    derived = [name for name, member in vars(Manifest).items() if isinstance(member, cached_property)]
    assert {"feature_names", "groups", "reason_codes", "may_be_unknown", "required", "labels", "component_places"} <= set(derived)
    before = {name: getattr(manifest, name) for name in derived}
    turned = manifest.model_copy(update={"features": manifest.features[::-1], "components": manifest.components[::-1]})
    assert turned.feature_names == before["feature_names"][::-1]
    assert turned.component_places != before["component_places"]
    assert turned.groups.names[0] == manifest.features[-1].group
    assert {name: getattr(manifest, name) is value for name, value in before.items()} == dict.fromkeys(derived, True)


def test_sums_over_classes_are_added_from_the_left():
    labels = ["b", "a", "b", "a", "b"]
    values = [0.1, 1e16, 0.2, -1e16, 0.3]
    partition = Partition.of(labels)
    assert (partition.names, partition.members) == (("b", "a"), ((0, 2, 4), (1, 3)))
    assert partition.sums(values) == [0.1 + 0.2 + 0.3, 0.0]
    assert partition.sums(np.array(values)) == partition.sums(values)
    rows = np.random.default_rng(7).normal(size=(3, 2, len(values)))
    assert partition.sums_of_rows(rows).tolist() == [[partition.sums(row) for row in some] for some in rows]
    assert partition.sums_of_rows(np.zeros((0, len(values)))).shape == (0, 2)
