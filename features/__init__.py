"""First floor: raw records become point-in-time features and labels.

Reading order: `simulation` (the province and its deliveries), `contracts` and `landing` (the front door), `warehouse`
(bitemporal Parquet), `known` (what was known at a cut-off), the feature families, the products, `store` (Feast).
"""
