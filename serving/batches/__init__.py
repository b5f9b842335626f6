"""Batches: many entities in one request, scored by a process of their own, answered by a result file."""
