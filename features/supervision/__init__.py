"""Supervision: signals of vehicles at an instant, and the engine that makes alert events of them."""
