"""The command group of supervision."""

from __future__ import annotations

import click


@click.group()
def supervision() -> None:
    """Supervise key commercial vehicles (重点营运车辆安全智能监管): alerts, what was done about them, reports."""
