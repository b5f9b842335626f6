"""Supervision over HTTP: alerts and their life cycle, a stream of them, and webhooks."""
