"""The operations of a transaction: one dataclass each, declared once, joined in one table.

Reading order: `kinds` (what an operation is, and what is declared about it), `fields` (how a field is read),
`accounts`, `members`, `governance`, `validators`, `streams`, `assets`, `evidence` (the families), `table` (all of them
by type; parsing and writing).

An operation says three things about itself: its fields (`OperationKind.fields`: the parser, the JSON Schema and the
documentation come from that declaration), who may do it and how it may fail (sentences and codes, for people and
tests), and what it does (`Operation.apply`, the rule itself, over an `Overlay`). A new family is a module with
dataclasses and kinds, and a line in the table.
"""
