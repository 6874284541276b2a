"""An EnOS Connection Service to run against: token service, signatures, the OTA job calls, and a control API.

For tests, the demo and a first try; never used implicitly. What it does, and whether EnOS documents it, is told in
docs/simulator.md. It shares no code with the client in `enos_ota.enos`, so that a mistake there is not mirrored here.

The parts, in the way a request takes through them: `server` → `app` → `gateway` (`tokens`, `signing`) → `jobs`
(`expression`, `store`), with the `journal` written on the way. `simulator.Simulator` holds them together and needs no
HTTP; `fleet` and `switches` say what it holds and how it behaves. This package imports nothing by itself, so that the
command line can ask for its help without the optional packages.
"""
