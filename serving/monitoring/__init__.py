"""Monitoring: whether data, scores and explanations are still what a model was made for, and how it does as outcomes mature."""
