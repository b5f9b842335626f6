"""Exact TreeSHAP by Gauss-Legendre quadrature: LightGBM's `pred_contrib`, an order of magnitude cheaper.

`forest.parse_forest` reads a verified model text into arrays, `paths.prepare` derives what is the same for every row, and
`kernel` walks each tree once down and once up per row; `many_kernel` does so once for all rows that go the same way in a tree.
`exact.ExactForest` puts them together.
"""
