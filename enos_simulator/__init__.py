"""A simulated EnOS Connection Service: token service, signatures, the OTA job calls, and a control API.

For tests, the demo and a first try; never used implicitly. docs/simulator.md describes its behaviour, and how much of
it EnOS documents. It shares no code with the client in `enos_ota.enos`, so that both cannot have the same mistake.

A request passes `server` → `app` → `proxy` (`faults`) → `gateway` (`tokens`, `signing`) → `jobs` (`expression`,
`store`); `journal` records it. `simulator.Simulator` connects the parts and needs no HTTP; `fleet`, `switches` and
`movement` describe its content and behaviour; `command` and `start` are the command line. This package imports nothing
by itself, so that the command's help works without the optional packages.
"""
