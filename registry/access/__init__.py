"""Who may ask what: consumers, API keys, scenarios (场景), roles, limits, charges and statements.

Every change is a line of a chained ledger; what holds now is folded from it (`registry.access.fold`). A service asks an
`AccessBook` (`registry.access.book`), the command line writes through `registry.access.changes`.
"""
