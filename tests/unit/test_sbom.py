"""The bill of materials: deterministic, closed under requirements, and with the hashes of the lock."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

from registry.canonical_json import canonical_json
from registry.sbom import installed, make_sbom

DIGEST = "a" * 64


def test_the_same_model_in_the_same_environment_gives_the_same_bytes() -> None:
    made = make_sbom("maintenance", DIGEST)
    assert canonical_json(made) == canonical_json(make_sbom("maintenance", DIGEST))
    assert "serialNumber" not in made
    assert "timestamp" not in made["metadata"]
    other = make_sbom("driver_fatigue", "b" * 64)
    assert other["components"] == made["components"]
    assert other["metadata"]["component"]["bom-ref"] == "model:driver_fatigue:bbbbbbbbbbbbbbbb"


def test_it_names_what_is_installed_with_licence_purl_and_locked_hashes() -> None:
    made = make_sbom("maintenance", DIGEST)
    components = {one["name"]: one for one in made["components"]}
    lightgbm = components["lightgbm"]
    assert lightgbm["version"] == metadata.version("lightgbm")
    assert lightgbm["purl"] == f"pkg:pypi/lightgbm@{lightgbm['version']}"
    assert lightgbm["licenses"]
    assert all(len(one["content"]) == 64 and one["alg"] == "SHA-256" for one in lightgbm["hashes"])
    assert components["roadrisk"]["type"] == "application"
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert sum("licenses" in one for one in components.values()) / len(components) > 0.95


def test_every_dependency_is_a_component_and_every_component_is_needed() -> None:
    made = make_sbom("maintenance", DIGEST)
    references = {one["bom-ref"] for one in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert {line["ref"] for line in made["dependencies"]} == references
    reached, waiting = set(), [made["metadata"]["component"]["bom-ref"]]
    needs = {line["ref"]: line.get("dependsOn", []) for line in made["dependencies"]}
    while waiting:
        for one in needs[waiting.pop()]:
            if one not in reached:
                reached.add(one)
                waiting.append(one)
    assert reached == references - {made["metadata"]["component"]["bom-ref"]}


def test_hashes_of_another_version_are_not_taken(tmp_path: Path) -> None:
    version = installed()["click"].version
    (tmp_path / "c.txt").write_text(
        f"click=={version} ; python_version > '3' \\\n    --hash=sha256:{'1' * 64} \\\n    --hash=sha256:{'2' * 64}\n"
        f"lightgbm==0.0.1 \\\n    --hash=sha256:{'3' * 64}\n"
    )
    components = {one["name"]: one for one in make_sbom("x", DIGEST, constraints=tmp_path / "c.txt")["components"]}
    assert [one["content"][0] for one in components["click"]["hashes"]] == ["1", "2"]
    assert "hashes" not in components["lightgbm"]
    assert "3" * 64 not in json.dumps(components)
