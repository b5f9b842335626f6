"""The score panel: every entity of every product at month ends, kept as Parquet for portraits, monitoring and fairness."""
