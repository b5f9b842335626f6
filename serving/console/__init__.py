"""The web console: pages for regulators, underwriters and engineers. It reads ledgers and the catalogue, and owns no data."""
