"""The wallet and the auditor's shell: what asks.

`ledger` judges (it builds, signs and verifies); this package holds keys, talks to nodes over HTTP, and says what
happened in words and exit codes. It never imports `node`. Two commands live here: `wallet.cli` (quorum-wallet) and
`wallet.audit_cli` (quorum-audit).
"""
