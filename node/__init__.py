"""The node does: one validator or follower, as a process.

Its heart is `node.replica`, synchronous and without a clock: it owns chain, mempool, engine and store, and is driven by
`step(inputs, now) -> actions`. Production (`node.runtime`) and the simulator drive the very same object, so the order
"durable before visible" is what the simulation attacks. The rest is what carries its actions out: `node.storage`
(LevelDB and the guard file), `node.net` (links over mutual TLS), `node.http` (the API), `node.app` (the composition).
"""
