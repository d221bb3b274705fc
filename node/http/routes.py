"""The whole API on one screen. Every route gets its problems for parameters, media types and faults besides these."""

from __future__ import annotations

from ledger.refusals import Code
from node.http import (
    blocks,
    events,
    evidence,
    governance,
    health,
    light,
    registry,
    submitting,
    transactions,
    transparency,
)
from node.http.call import EVENT_STREAM, JSON, NDJSON, OCTETS, TEXT
from node.http.openapi import document
from node.http.parameters import (
    ACCOUNT,
    ASSET,
    BLOCKS_BEHIND_MAX,
    CURSOR,
    FROM_HEIGHT,
    FROM_SIZE,
    HEIGHT,
    KNOWN_HEIGHT,
    KNOWN_LOG_SIZE,
    LIMIT,
    LOG_INDEX,
    LOG_SIZE,
    OPERATION_TYPE,
    ORDER,
    PEERS_MIN,
    PINNED_HEIGHT,
    PROPOSAL_STATE,
    RECORD_KEY,
    STREAM,
    TO_HEIGHT,
    TO_SIZE,
    TRANSACTION_ID,
)
from node.http.problems import SUBMISSION_CODES, HttpCode
from node.http.route import Route

_PAGE = (CURSOR, LIMIT, ORDER)
_RANGE = (OPERATION_TYPE, FROM_HEIGHT, TO_HEIGHT, *_PAGE)
_NO_TRAIL = (HttpCode.HEIGHT_UNKNOWN, HttpCode.TRAIL_TOO_LONG)
_NO_TRANSACTION, _NO_RECEIPT = (HttpCode.TRANSACTION_UNKNOWN,), (HttpCode.TRANSACTION_NOT_COMMITTED, *_NO_TRAIL)
_NO_BLOCK, _NO_CERTIFICATE = (HttpCode.BLOCK_UNKNOWN,), (HttpCode.BLOCK_UNKNOWN, HttpCode.CERTIFICATE_UNKNOWN)
_NO_ACCOUNT, _NO_STREAM, _NO_ASSET = (Code.ACCOUNT_UNKNOWN,), (Code.STREAM_UNKNOWN,), (Code.ASSET_UNKNOWN,)
_NO_PROPOSAL, _NO_CANDIDATE = (Code.PROPOSAL_UNKNOWN,), (HttpCode.CANDIDATE_UNKNOWN,)
_NO_EVIDENCE = (HttpCode.EVIDENCE_UNKNOWN, *_NO_TRAIL)
_NO_UPDATE = (HttpCode.HEIGHT_UNKNOWN, HttpCode.CERTIFICATE_UNKNOWN)
_NO_TILE = (HttpCode.TILE_UNKNOWN,)
_NO_CHECKPOINT = (HttpCode.CHECKPOINT_UNKNOWN,)
_NO_SIZE = (HttpCode.LOG_SIZE_UNKNOWN,)
_NO_ROOM = (HttpCode.STREAMS_EXHAUSTED, HttpCode.CLOSING)

# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/transactions", submitting.submit, "Submit one transaction, or many",
          "Submitted", (), SUBMISSION_CODES, statuses=(200, 202), accepts=(JSON, NDJSON), waits=True),
    Route("GET", "/v1/transactions", transactions.search, "Search transactions",
          "TransactionPage", (ACCOUNT, STREAM, ASSET, *_RANGE)),
    Route("GET", "/v1/transactions/{id}", transactions.status, "What became of a transaction",
          "TransactionStatus", (), _NO_TRANSACTION, waits=True),
    Route("GET", "/v1/transactions/{id}/receipt", transactions.receipt, "The receipt of a committed transaction",
          "Receipt", (PINNED_HEIGHT,), _NO_RECEIPT),
    Route("GET", "/v1/transactions/{id}/tlog-proof", transparency.proof, "That the log has it, as a C2SP tlog-proof",
          "Text", (), (*_NO_RECEIPT, *_NO_CHECKPOINT), media_type=TEXT),
    Route("GET", "/v1/blocks", blocks.listed, "List blocks",
          "BlockPage", _PAGE),
    Route("GET", "/v1/blocks/{block}", blocks.block, "A block with its transactions' results",
          "WholeBlock", (), _NO_BLOCK),
    Route("GET", "/v1/blocks/{block}/certificate", blocks.certificate, "The commit record of a block",
          "CommitRecord", (), _NO_CERTIFICATE),
    Route("GET", "/v1/blocks/{block}/body", blocks.body, "The exact envelopes of a block, one on each line",
          "Envelope", (), _NO_BLOCK, media_type=NDJSON),
    Route("GET", "/v1/accounts", registry.accounts, "List accounts by name",
          "AccountPage", (HEIGHT, *_PAGE)),
    Route("GET", "/v1/accounts/{account}", registry.account, "An account, now or at a height",
          "Account", (HEIGHT,), _NO_ACCOUNT),
    Route("GET", "/v1/accounts/{account}/history", registry.account_history, "What an account sent or cosigned",
          "TransactionPage", _RANGE, _NO_ACCOUNT),
    Route("GET", "/v1/accounts/{account}/balances", registry.balances, "What an account holds",
          "BalancePage", (HEIGHT, *_PAGE), _NO_ACCOUNT),
    Route("GET", "/v1/accounts/{account}/balances/{asset}", registry.balance, "What an account holds of one asset",
          "Balance", (HEIGHT,), (*_NO_ACCOUNT, *_NO_ASSET)),
    Route("GET", "/v1/streams", registry.streams, "List streams by name",
          "StreamPage", (HEIGHT, *_PAGE)),
    Route("GET", "/v1/streams/{stream}", registry.stream, "A stream, now or at a height",
          "Stream", (HEIGHT,), _NO_STREAM),
    Route("GET", "/v1/streams/{stream}/records", registry.records, "The records of a stream",
          "RecordPage", (RECORD_KEY, *_PAGE), _NO_STREAM),
    Route("GET", "/v1/assets", registry.assets, "List assets by name",
          "AssetPage", (HEIGHT, *_PAGE)),
    Route("GET", "/v1/assets/{asset}", registry.asset, "An asset, now or at a height",
          "Asset", (HEIGHT,), _NO_ASSET),
    Route("GET", "/v1/assets/{asset}/holders", registry.holders, "Who holds an asset, and who is frozen in it",
          "BalancePage", (HEIGHT, *_PAGE), _NO_ASSET),
    Route("GET", "/v1/validators", registry.validators, "The validator set and its tolerance",
          "ValidatorSet", (HEIGHT,)),
    Route("GET", "/v1/candidates", governance.candidates, "Who is ready to be a validator, by name",
          "CandidatePage", (HEIGHT, *_PAGE)),
    Route("GET", "/v1/candidates/{validator}", governance.candidate, "Who is ready to be the validator of a name",
          "Candidate", (HEIGHT,), _NO_CANDIDATE),
    Route("GET", "/v1/proposals", governance.proposals, "Proposals to change the chain itself",
          "ProposalPage", (PROPOSAL_STATE, HEIGHT, *_PAGE)),
    Route("GET", "/v1/proposals/{number}", governance.proposal, "A proposal, who voted on it, and what it would change",
          "ProposalDetails", (HEIGHT,), _NO_PROPOSAL),
    Route("GET", "/v1/genesis", registry.genesis, "The genesis document",
          "Genesis"),
    Route("GET", "/v1/evidence", evidence.listed, "Evidence against validators that the ledger has recorded",
          "EvidencePage", _PAGE),
    Route("GET", "/v1/evidence/unrecorded", evidence.unrecorded, "Evidence that only this node has",
          "EvidencePage", _PAGE),
    Route("GET", "/v1/evidence/{digest}", evidence.file, "Evidence as a file that verifies offline",
          "EvidenceFile", (PINNED_HEIGHT,), _NO_EVIDENCE),
    Route("GET", "/v1/status", health.status, "What this node is doing, and what it waits for",
          "Status"),
    Route("GET", "/v1/doctor", health.doctor, "What is wrong with this node or its network, and what to do",
          "Doctor"),
    Route("GET", "/v1/light/update", light.update, "What leads a light client from what it knows to a later block",
          "LightUpdate", (KNOWN_HEIGHT, KNOWN_LOG_SIZE, TO_HEIGHT), _NO_UPDATE),
    Route("GET", "/checkpoint", transparency.checkpoint, "The log's newest size and root, cosigned by a quorum",
          "Text", (), _NO_CHECKPOINT, media_type=TEXT),
    Route("GET", "/tile/entries/{tile}", transparency.bundle, "Entries of the log: leaves, each behind its length",
          "Octets", (), _NO_TILE, media_type=OCTETS),
    Route("GET", "/tile/{level}/{tile}", transparency.tile, "Hashes of the log, as C2SP tlog-tiles has them",
          "Octets", (), _NO_TILE, media_type=OCTETS),
    Route("GET", "/v1/proofs/inclusion", transparency.inclusion, "That the log has a transaction, by id or index",
          "InclusionProof", (TRANSACTION_ID, LOG_INDEX, LOG_SIZE), (*_NO_RECEIPT, *_NO_SIZE)),
    Route("GET", "/v1/proofs/consistency", transparency.consistency, "That a later log begins with an earlier one",
          "ConsistencyProof", (FROM_SIZE, TO_SIZE), _NO_SIZE),
    Route("GET", "/v1/log/policy", transparency.policy, "Whose cosignatures suffice, as a C2SP tlog-policy",
          "Text", (HEIGHT,), media_type=TEXT),
    Route("GET", "/v1/events", events.events, "One server-sent event for each block",
          "Block", (FROM_HEIGHT,), _NO_ROOM, media_type=EVENT_STREAM),
    Route("GET", "/v1/openapi.json", document, "This document",
          "OpenApi"),
    Route("GET", "/livez", health.alive, "Whether the node works at all",
          "Alive", (), (HttpCode.HALTED,)),
    Route("GET", "/readyz", health.ready, "Whether requests may be sent to this node",
          "Ready", (PEERS_MIN, BLOCKS_BEHIND_MAX), (Code.NOT_READY,)),
    Route("GET", "/metrics", health.metrics, "Figures in the Prometheus text format",
          "Text", media_type=TEXT),
)
# fmt: on
