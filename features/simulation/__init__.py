"""The simulated province: a causal world with known truth that delivers the declared resources.

Reading order: `presets` and `assumptions` (every magnitude, tagged), `streams` and `clock` (randomness and days),
`world` (who exists: operators, vehicles, drivers), then the processes month by month: `activity`, `accidents`,
`condition`, `enforcement`, `insurance`, `people`, `credit`, `snapshots`, `fatigue`, `positions`; at last `deliveries`
(what arrives, late, twice, wrong, withdrawn), `truth` (the intensities that no model may read) and `province`, which
runs it all: `simulate_province`.
"""
