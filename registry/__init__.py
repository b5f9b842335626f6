"""Ground floor: what exists, what is allowed, what was decided. Imports no other package of ours.

Reading order: `units`, `codes`, `entities`, `resources` (the 35 data resources), `feature_spec`, `products` (the 13
data products), `scale` (points), `bundle` (the one saved form of a trained score), `signing`, `models` (the MLflow
adapter), `chain` (append-only ledgers), `promotion`, `decisions`, `settings`, `errors`, and `cli`, the command line.
"""
