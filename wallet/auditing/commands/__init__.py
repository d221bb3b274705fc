"""The commands of `quorum-audit`, one module each."""
