"""The commands of `quorum-node`, one module for each family; `node.cli` puts them together."""
