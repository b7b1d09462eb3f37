"""DRAM: devices as data, timing rules, controllers, a checker, energy.

| subject | where |
|---|---|
| devices and their YAML | `devices`, `rules`, `timing` |
| addresses | `mapping` |
| run a request stream | `system`, `results` |
| controllers | `controller` (default), `ramulator` (to the clock), `reference` (slow and readable) |
| trust | `checker`, `probes` |
| energy | `energy` |
"""
