"""One trainer for every product: split, fit, calibrate, evaluate, and write a bundle and its card.

Reading order: `task` (what is trained), `splits` (folds), `matrix` (what LightGBM is given), `fit`, `calibration`,
`metrics`, `evaluation`, `assemble` (the bundle), `card`, `pictures`, `tracking` (MLflow), `search` (Optuna), `pipeline`
(all of it in order), `products` with one module per product, and `cli`.
"""
