"""Feast's own command line on our store folder registers what we register, once each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from features.families import FAMILIES
from features.formulas import FORMULA_FAMILIES
from features.products import PRODUCT_FEATURES
from features.retrieval import training_rows
from features.views import IDENTITY_VIEW, open_store
from registry.errors import NotFound
from registry.settings import Settings

STORE = Path(__file__).parents[2] / "features" / "store"


@pytest.fixture
def copy(tiny: Settings, tmp_path: Path) -> Settings:
    for name in ("features", "feast"):
        shutil.copytree(tiny.home / name, tmp_path / name)
    return tiny.model_copy(update={"home": tmp_path})


def test_feast_apply_keeps_every_view_and_service(copy: Settings) -> None:
    feast = Path(sys.executable).with_name("feast")
    environment = {**os.environ, "ROADRISK_HOME": str(copy.home)}
    done = subprocess.run(
        [str(feast), "-c", str(STORE), "apply"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    store = open_store(copy)
    assert {view.name for view in store.list_feature_views()} == {*FAMILIES, *FORMULA_FAMILIES, IDENTITY_VIEW}
    assert {service.name for service in store.list_feature_services()} == set(PRODUCT_FEATURES)


def test_a_store_without_services_says_what_to_run(copy: Settings) -> None:
    shutil.rmtree(copy.feast_dir)
    with pytest.raises(NotFound, match=r"Feast has no service 'maintenance'.*roadrisk features apply"):
        training_rows("maintenance", copy)
