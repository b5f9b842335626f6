"""A service never starts on a bundle that is damaged, unsigned, or not the promoted one; it says which."""

from __future__ import annotations

import json
import os

import pytest

from registry.errors import BundleRefused, ConfigurationError
from registry.signing import sign_bundle
from serving.live import check_live, load_live
from serving.start import check_start
from tests.lib.bundles import PORTFOLIO, tiny_bundle
from tests.lib.homes import bundle_folder, make_home

NAMED = rf"the live model of {PORTFOLIO}, version 1, is refused: "


def flip_byte(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def bundle():
    return tiny_bundle(PORTFOLIO)


def test_a_sound_bundle_is_proved_in_a_child_and_loaded(tmp_path, bundle):
    settings = make_home(tmp_path, [bundle])
    models = load_live(settings)
    assert list(models.portfolios) == [PORTFOLIO]
    assert models.with_digest(PORTFOLIO, bundle.digest) is models.live[PORTFOLIO].scorer


@pytest.mark.parametrize("name", ["frequency.lgb.txt", "manifest.json", "golden.json"])
def test_a_changed_file_is_refused_before_it_is_parsed(tmp_path, bundle, name):
    settings = make_home(tmp_path, [bundle])
    flip_byte(bundle_folder(settings, bundle) / name)
    with pytest.raises(BundleRefused, match=NAMED + "bundle has digest"):
        check_live(settings)


def test_an_unsigned_bundle_is_refused(tmp_path, bundle):
    with pytest.raises(BundleRefused, match=NAMED + "bundle is not signed"):
        check_live(make_home(tmp_path, [bundle], sign=False))


def test_a_foreign_signature_is_refused(tmp_path, bundle):
    settings = make_home(tmp_path, [bundle])
    other = make_home(tmp_path / "other", [bundle])
    (bundle_folder(settings, bundle) / "signature.json").write_bytes(
        (bundle_folder(other, bundle) / "signature.json").read_bytes()
    )
    with pytest.raises(BundleRefused, match=r"signature of bundle .* does not verify"):
        check_live(settings)


def test_another_bundle_in_the_place_of_the_promoted_one_is_refused(tmp_path, bundle):
    settings = make_home(tmp_path, [bundle])
    folder, other = bundle_folder(settings, bundle), tiny_bundle(PORTFOLIO, seed=2)
    for name, content in other.files.items():
        (folder / name).write_bytes(content)
    sign_bundle(folder, settings.keys_dir)
    with pytest.raises(BundleRefused, match=NAMED + "bundle has digest .* the promotion ledger names"):
        check_live(settings)


def test_a_truncated_tree_that_was_signed_is_met_in_the_child_and_the_process_lives(tmp_path, bundle):
    files = dict(bundle.files)
    files["frequency.lgb.txt"] = files["frequency.lgb.txt"][: len(files["frequency.lgb.txt"]) // 2]
    damaged = type(bundle)(bundle.manifest, bundle.golden, files)
    with pytest.raises(BundleRefused, match=NAMED + "bundle .* cannot be parsed"):
        check_live(make_home(tmp_path, [damaged]))


def test_a_missing_folder_is_refused(tmp_path, bundle):
    settings = make_home(tmp_path, [bundle])
    bundle_folder(settings, bundle).rename(tmp_path / "elsewhere")
    with pytest.raises(BundleRefused, match=NAMED + "no bundle here"):
        check_live(settings)


def test_nothing_live_says_what_to_do(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no model is live.*`roadrisk train`"):
        check_live(make_home(tmp_path, []))


def test_a_proved_digest_needs_no_second_child(tmp_path, bundle, monkeypatch):
    monkeypatch.setenv("ROADRISK_PROVED_DIGESTS", "")
    settings = make_home(tmp_path, [bundle])
    check_start(settings)
    assert os.environ["ROADRISK_PROVED_DIGESTS"] == bundle.digest
    flip_byte(bundle_folder(settings, bundle) / "severity.lgb.txt")
    with pytest.raises(BundleRefused, match=NAMED):
        check_start(settings)


def test_a_ledger_that_does_not_verify_stops_the_start(tmp_path, bundle, monkeypatch):
    monkeypatch.setenv("ROADRISK_PROVED_DIGESTS", bundle.digest)
    settings = make_home(tmp_path, [bundle])
    check_start(settings)
    (settings.ledger_dir / "decisions.head").write_text(json.dumps({"seq": 3, "digest": "0", "hash": "0", "mac": "0"}))
    with pytest.raises(Exception, match="head of ledger decisions does not verify"):
        check_start(settings)
