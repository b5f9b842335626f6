"""Supervision of key commercial vehicles (重点营运车辆安全智能监管): alert rules as data, the ledger of alerts, their life cycle.

A raised alert is what a machine noticed. It is no finding: 行政处罚法 Art. 41 wants a legal and technical review first, so only an
alert that a person handled and confirmed counts as a violation, and a dismissed one never does.
"""
