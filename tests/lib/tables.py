"""A made-up table of policies and its declaration, for studies that are declarations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

ROWS = 1200


def made_up_policies(rows: int = ROWS, *, seed: int = 3) -> pd.DataFrame:
    """Return policies whose claim rate falls with age and is higher for vans; one body is called NO."""
    rng = np.random.default_rng(seed)
    age, body = rng.uniform(18, 80, rows).round(1), rng.choice(["NO", "on", "van"], rows)
    exposure = rng.uniform(0.1, 1.0, rows).round(3)
    claims = rng.poisson(exposure * np.exp(0.5 - 0.03 * (age - 50) + 0.6 * (body == "van")))
    return pd.DataFrame({
        "number": np.arange(rows), "age": age, "body": body, "on": exposure, "claims": claims,
        "failed": (claims > 0).astype(int), "part": np.where(np.arange(rows) % 4 == 0, "later", "earlier"),
        "when": pd.date_range("2024-01-01", periods=rows, freq="6h", tz="UTC").map(lambda moment: moment.isoformat()),
    })


def made_up_declaration() -> dict[str, Any]:
    """Return a declaration of a claim frequency over these policies."""
    return {
        "study": "made-up", "obtain": "Make it with tests/lib/tables.py.", "purpose": "a test", "replicates": 20,
        "source": {"file": "policies.csv", "columns": {"on": "exposure_year"}},
        "features": [
            {"name": "age_year", "column": "age", "zh": "年龄", "en": "age", "group": "people", "unit": "year",
             "monotone": {"direction": -1, "reason": "made so"}},
            {"name": "body", "zh": "车身", "en": "body", "group": "condition", "type": "category", "vocabulary": "learn"},
        ],
        "scores": [{
            "id": "made_up", "zh": "虚构", "en": "made up", "answer": "rate", "exposure_unit": "year",
            "protocol": "one random split", "split": {"kind": "train_test", "random_states": [0], "valid_share": 0.2},
            "components": [{
                "name": "frequency", "objective": "poisson", "target": "claims", "exposure": "exposure_year",
                "parameters": {"n_trees": 30, "num_leaves": 4, "learning_rate": 0.1},
            }],
            "calibration": "frequency", "peers": ["glm", "untuned"],
            "figures": [
                {"name": "deviance_test", "of": "frequency", "measure": "deviance", "better": "lower", "published": 9.0,
                 "by": "nobody"},
                {"name": "gini_test", "of": "frequency", "measure": "gini", "better": "higher"},
                {"name": "balance_train", "of": "frequency", "measure": "balance", "fold": "development", "better": "nearer",
                 "published": 1.0},
            ],
            "search": {"trials": 2, "space": {"frequency": {"num_leaves": {"low": 2, "high": 6, "whole": True}}}},
        }],
    }


def write_declaration(folder: Path, content: dict[str, Any], *, rows: int = ROWS) -> Path:
    """Write the table and a declaration into a folder and return the declaration's path."""
    made_up_policies(rows).to_csv(folder / "policies.csv", index=False)
    path = folder / "made-up.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path
