"""Search of LightGBM parameters with Optuna: persistent studies, several processes, several objectives.

`space` declares what is searched, `store` opens Optuna's storage, `worker` runs trials, `search` puts them together,
`choice` picks among trials, `stored` keeps the choice where training finds it. `training.tune_cli` is the command.
"""
