"""A declaration says what is wrong with it: what was met, where, and what to do."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.table_declaration import SHIPPED, TableDeclaration, read_declaration, shipped
from registry.errors import ConfigurationError
from tests.lib.tables import made_up_declaration

FEATURE, SCORE = "features.0", "scores.0"

WRONG: list[tuple[str, Any, str]] = [
    ("study", "Made up", r"study: String should match pattern .* \(met 'Made up'\)"),
    ("nosuch", 1, r"nosuch: Extra inputs are not permitted \(met 1\)"),
    (f"{FEATURE}.group", "vehicle", r"features.0: feature age_year: unknown group 'vehicle', known are exposure, "),
    (f"{FEATURE}.unit", "furlong", r"unknown unit 'furlong'"),
    (f"{FEATURE}.reason_code", "R99", r"unknown reason code 'R99'"),
    (f"{FEATURE}.monotone", {"direction": 2, "reason": "x"}, r"monotone.direction: Input should be -1 or 1 \(met 2\)"),
    (f"{FEATURE}.monotone", {"direction": 1}, r"monotone.reason: Field required"),
    (f"{FEATURE}.vocabulary", "learn", r"age_year is a float and has no vocabulary; give it `type: category`"),
    ("features.1.monotone", {"direction": 1, "reason": "x"}, r"body is a category and cannot be monotone; remove"),
    ("features.1.null", "zero", r"body is a category, its null cannot mean zero; use `missing`"),
    ("features.1.name", "age_year", r"feature names \['age_year'\] are met twice; give each its own"),
    ("features", [], r"features: Tuple should have at least 1 item"),
    (f"{SCORE}.answer", "premium", r"answer: Input should be 'rate', 'probability', 'hazard' or 'pure_premium'"),
    (f"{SCORE}.answer", "pure_premium", r"a pure premium has components frequency and severity, and an `amount`"),
    (f"{SCORE}.members", 0, r"members: Input should be greater than or equal to 1 \(met 0\)"),
    (f"{SCORE}.calibration", "severity", r"calibration speaks of 'severity', there are \['frequency'\]"),
    (f"{SCORE}.figures.0.of", "score", r"figure deviance_test speaks of 'score', there are \['frequency'\]"),
    (f"{SCORE}.figures.0.measure", "auc", r"figure deviance_test asks for auc of 'frequency'; binary outcomes have"),
    (f"{SCORE}.figures.0.published", float("inf"), r"published: Input should be a finite number \(met inf\)"),
    (f"{SCORE}.components.0.objective", "gamma", r"component frequency: an exposure has no meaning for objective 'gamma'"),
    (f"{SCORE}.components.0.parameters", {"seed": 1}, r"parameters \['seed'\] are the trainer's own; remove them"),
    (f"{SCORE}.components.0.tweedie_power", 2, r"tweedie_power: Input should be less than 2 \(met 2\)"),
    (f"{SCORE}.peers", ["oracle"], r"peers.0: Input should be 'glm', 'ebm', 'scorecard' or 'untuned' \(met 'oracle'\)"),
    (f"{SCORE}.split", {"kind": "dice"}, r"split: Input tag 'dice' found .* 'train_test', 'stratified_kfold', 'column', "),
    (f"{SCORE}.split.test_size", 1.5, r"split.train_test.test_size: Input should be less than 1 \(met 1.5\)"),
    (f"{SCORE}.split", {"kind": "out_of_time", "time": "when", "valid_from": "2024-06-01T00:00:00", "test_from":
     "2024-09-01T00:00:00+08:00"}, r"valid_from: Input should have timezone info"),
    (f"{SCORE}.split", {"kind": "out_of_time", "time": "when", "valid_from": "2024-09-01T00:00:00Z", "test_from":
     "2024-06-01T00:00:00Z"}, r"valid_from .* must lie before test_from"),
    (f"{SCORE}.prepare", [{"do": "eval", "code": "1"}], r"prepare.0: Input tag 'eval' found"),
    (f"{SCORE}.search.space", {"severity": {}}, r"search space speaks of 'severity'"),
    (f"{SCORE}.search.space.frequency.num_leaves", {"low": 9, "high": 2}, r"a range ascends, .* met low 9.0, high 2.0"),
    ("source.file", None, r"source.file: Input should be a valid string \(met None\)"),
]


def changed(path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(made_up_declaration())
    *way, last = path.split(".")
    place: Any = content
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    place[int(last) if last.isdigit() else last] = value
    return content


@pytest.mark.parametrize(("path", "value", "says"), WRONG, ids=[f"{path}={value}"[:60] for path, value, _ in WRONG])
def test_what_cannot_be_used_is_named(path: str, value: Any, says: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(changed(path, value), allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"(?s)entries cannot be used: .*{says}") as refused:
        read_declaration(file)
    assert refused.value.where == str(file)
    assert "Mend these entries" in str(refused.value)


def test_every_wrong_entry_is_named_at_once(tmp_path: Path) -> None:
    content = changed("features.0.group", "vehicle") | {"replicates": 1}
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="2 entries cannot be used") as refused:
        read_declaration(file)
    assert len(refused.value.details["problems"]) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"no declaration can be read: .* shipped are datacar, french-mtpl, polish-bankruptcy"),
        ("study: [", r"not YAML: .* Mend the file at that line"), ("- 1", r"a declaration is a mapping, met list"),
    ],
)
def test_a_file_that_is_no_declaration_is_refused(content: str | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=says):
        read_declaration(file)


def test_words_that_old_yaml_takes_for_truth_are_words(tmp_path: Path) -> None:
    content = yaml.safe_dump(made_up_declaration(), allow_unicode=True).replace("vocabulary: learn", "vocabulary: [NO, on, y]")
    (tmp_path / "d.yaml").write_text(content.replace("'on': exposure_year", "on: exposure_year"), encoding="utf-8")
    declared = read_declaration(tmp_path / "d.yaml")
    assert declared.features[1].vocabulary == ("NO", "on", "y")
    assert declared.source.columns == {"on": "exposure_year"}


@pytest.mark.parametrize("study", sorted(file.stem for file in SHIPPED.glob("*.yaml")))
def test_what_comes_with_the_project_can_be_read(study: str) -> None:
    declared = shipped(study)
    assert isinstance(declared, TableDeclaration)
    assert declared.study == study
    assert all(figure.by for score in declared.scores for figure in score.figures if figure.published is not None)
