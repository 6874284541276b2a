"""A simulated EnOS Connection Service: token service, signatures, the OTA job calls, and a control API.

It shares no code with the client in `enos_ota.enos`, so that both cannot have the same mistake. A request passes
`server` → `app` → `proxy` (`faults`) → `gateway` (`tokens`, `signing`) → `jobs` (`expression`, `store`); `journal`
records it. `simulator.Simulator` connects the parts without HTTP; `command` and `start` are the command line.
"""
