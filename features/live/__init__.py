"""Live driving: positions in, one fold per vehicle, duty and fatigue out within seconds.

`positions` says what a message is, `journal` keeps accepted ones, `intake` takes them in with back-pressure, `roster` knows whose
they are; `layout`, `step`, `evaluate` and `fold` are the state of every vehicle; `duty_now` and `rest_places` what a driver and a
supervisor read; `service` puts them into one process, `jt809` is the platform link.
"""
