"""Everything that a node keeps: the chain and its own promises in LevelDB, and the guard beside it.

Reading order: `errors` (what can go wrong, and what follows), `rows` and `keys` (the format), `leveldb` and `memory`
(the two stores of one port), `chain_store` (the chain in a store) with `commit`, `promises`, `block_rows`,
`state_rows`, `trie_rows`, `log_tiles` and `indexes` (what it writes), `committed_filter` and `state_keys` (what it need
not look for), `opening`, `queries` and `search` (what people ask), `guard`, `check`. (design section 7, consensus
research section 6)
"""
