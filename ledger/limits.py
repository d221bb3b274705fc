"""Every bound of the system, in one place, with what follows when it is reached.

A number here is part of the rules when it decides what may be in a block (section "rules"): changing one
is a change of `protocol_version`. The others protect a node from its neighbours and may differ between nodes.
Sizes are bytes, times are milliseconds, qualifier last.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# ---- rules: canonical JSON (design section 5)
INTEGER_MAX = 2**53 - 1
JSON_DEPTH_MAX = 32

# ---- rules: transactions
ENVELOPE_BYTES_MAX = 64 * KIB
OPERATIONS_PER_TRANSACTION_MAX = 64
SIGNATURES_PER_TRANSACTION_MAX = 64
COSIGNERS_PER_TRANSACTION_MAX = 15
MEMO_BYTES_MAX = 1024
NONCE_BYTES = 16
RECORD_CONTENT_BYTES_MAX = 32 * KIB
RECORD_CONTENT_DEPTH_MAX = JSON_DEPTH_MAX - 4  # it stands in an operation, in a list, in a body, in an envelope
RECORD_KEY_BYTES_MAX = 128

# ---- rules: accounts, streams and assets
# These lists stand in rows that an operation of 60 bytes rewrites, and a block of 2 MiB has room for 29,000 of those:
# with 256 writers it made every validator write 500 MB.
KEYS_PER_ACCOUNT_MAX = 32
ROLES_PER_ACCOUNT_MAX = 16
ADMINISTRATORS_MAX = 64
WRITERS_PER_STREAM_MAX = 32
NAME_BYTES_MAX = 64
ISSUERS_PER_ASSET_MAX = 32
AMOUNT_MAX = 2**128 - 1  # of one operation, and of all that there is of an asset
DECIMALS_MAX = 18

# ---- rules: governance
PROPOSALS_OPEN_MAX = 64  # beyond, only who operates a validator and has none open may open one: spam cannot lock it
PROPOSALS_OPEN_PER_PROPOSER_MAX = 4
PROPOSALS_PENDING_MAX = 16  # decided and not yet in force
PROPOSAL_OPEN_MS_MAX = 90 * 24 * 3_600_000  # from its creation to its expiry
PROPOSAL_DELAY_HEIGHTS_MAX = 100_000  # from the block that decides to the first height where it is in force
PROTOCOL_DELAY_HEIGHTS_MIN = 100  # of a change of the protocol version: operators must update before it
CHANGES_PER_PROPOSAL_MAX = 8
EVIDENCE_PER_PROPOSAL_MAX = 16
READY_HEIGHTS_MAX = 10_000  # how old the height may be that a ready statement names
READY_PROOFS_REMEMBERED_MAX = 8_192  # proofs that were verified, more than a block has; the oldest are forgotten

# ---- rules: blocks and validators
VALIDATORS_MAX = 100
BLOCK_TRANSACTIONS_MAX = 1_000
BLOCK_BYTES_MAX = 2 * MIB
HEADER_BYTES_MAX = 4 * KIB
LEAF_BYTES_MAX = 1 * KIB
RESULT_BYTES_MAX = 64
EPOCH_MAX = 2**32 - 1  # u32 in signed statements
ROUND_MAX = 2**31 - 1  # i32 in signed statements, where -1 is no round
GENESIS_BYTES_MAX = 4 * MIB
GENESIS_SALT_BYTES = 16
GENESIS_TIME_MS_MAX = 4_102_444_800_000  # the year 2100: ledger time never goes back, and must stay within calendars
GENESIS_ACCOUNTS_MAX = 1_000
ADDRESS_BYTES_MAX = 255

# ---- rules: defaults of governed parameters
VALID_WINDOW_MS_DEFAULT = 24 * 3_600_000
SENDER_QUOTA_DEFAULT = 1_000  # transactions of one sender in one block
BASE_TIMEOUT_MS_DEFAULT = 2_000
TIMEOUT_MS_MAX_DEFAULT = 60_000
HEARTBEAT_MS_DEFAULT = 60_000
DEMOTION_HEIGHTS_DEFAULT = 1_000
CLOCK_AHEAD_MS_MAX = 10_000  # amendment A7

# ---- consensus
ROUNDS_AHEAD_MAX = 64  # votes further ahead are dropped; a timeout certificate moves any distance
ROUNDS_BEHIND_MAX = 64  # votes further behind are forgotten; certificates are kept
VOTES_PER_VALIDATOR_MAX = 2  # of one type in one round; the second proves the equivocation
BLOCKS_WANTED_MAX = 16  # blocks of one height waited for; the oldest is dropped, and asked for again if needed
SIGNATURES_REMEMBERED_MAX = 20_000  # verified signatures of one height; beyond, they are verified again
HEIGHT_MESSAGES_BUFFERED_MAX = 1_024  # per peer, for the next height; the oldest is dropped
HEIGHT_MESSAGES_BUFFERED_BYTES_MAX = 8 * MIB  # per peer, likewise
RECORD_REQUESTS_MAX = 2  # requests for certified blocks under way at once, one per peer
REPAIR_REQUESTS_PER_TICK_MAX = 4  # damaged blocks that peers are asked for at one tick; the others wait for the next
REBUILD_TURN_TICKS = 4  # each validator's turn to go and make its damaged database anew, one after the other
REBUILD_LEVEL_TICKS = 2  # since when a peer must have said that it is level; the end of a turn in which nobody goes
EVIDENCE_PER_VALIDATOR_MAX = 16  # heights at which a node keeps contradictions under one key; beyond, it is known
EVIDENCE_BYTES_MAX = 4 * KIB  # of one contradiction
EVIDENCE_REPORTS_PER_TICK_MAX = 16  # contradictions submitted to the ledger at one tick; the others wait for the next
CONFLICTS_MAX = 16  # heights at which a node keeps the record of another chain; one is enough to stop its vote
CONTENTS_PER_BLOCK_MAX = 4  # different bodies under one block hash that are tried; all but one are lies
PROPOSALS_PER_ROUND_MAX = 2  # the second proves the equivocation
CERTIFIED_BLOCKS_PER_REPLY_MAX = 64
JUSTIFICATION_CHAIN_MAX = 4_096
RECORD_BYTES_MAX = 4 * MIB

HEADERS_PARSED_MAX = 64  # bytes of headers whose meaning is remembered; the least used are forgotten
HEADERS_REMEMBERED_MAX = 1_024  # headers that were checked when read; the oldest are forgotten, and checked again
RECORDS_REMEMBERED_MAX = 10_000  # commit records that were verified when read; beyond, they are verified again

# ---- receipts, evidence files and state proofs
RECEIPT_BYTES_MAX = 16 * MIB
STATE_PROOF_BYTES_MAX = 16 * MIB
STATE_KEY_BYTES_MAX = 160  # above the longest that there is: a balance of two longest names
EVIDENCE_FILE_BYTES_MAX = 16 * MIB
PINNED_CHECKPOINT_BYTES_MAX = 256 * KIB  # the largest validator set there can be has less than half of it
TRAIL_STEPS_MAX = 4_096  # validator-set changes between the anchor and the height
LOG_PATH_MAX = 64  # hashes of an inclusion path

# ---- exports and audits
EXPORT_PART_BYTES = 16 * MIB  # a part of an export, which has a hash of its own, ends with the block that reaches it
EXPORT_MANIFEST_BYTES_MAX = 16 * MIB  # enough for 2 TiB; a longer chain is not exported into one file
EXPORT_ANSWER_BYTES = 1 * MIB  # one answer of a node: whole blocks, at least one, none begun once it has so many bytes
EXPORT_ANSWER_RECORD_BYTES = 64 * KIB  # likewise, of commit records: some 400 signatures, verified when they are read
AUDIT_BATCH_BYTES = 256 * KIB  # what a worker process gets at a time: whole blocks until it has so many bytes
CLAIMS_PER_JOB_MAX = 2**17  # messages of one job of a worker process; a batch of an audit has at most half as many
CLAIM_BYTES_MAX = ENVELOPE_BYTES_MAX + KIB  # keys, signatures, and what they sign: a body, or a statement
AUDIT_ALONE_TRANSACTIONS_MAX = 2_000  # verified by the audit itself sooner than it would have workers that are ready
AUDIT_JOB_SIGNATURES = 1_000  # after so many a worker says how far it has come: some 50 ms
# Without a word from a worker: a thousand times what a job takes, so that the slowest machine is not taken for a worker
# that hangs. One that does is ended, and what it had is verified by the audit itself.
AUDIT_WORKER_QUIET_SECONDS_MAX = 60
AUDIT_BATCHES_PER_WORKER_MAX = 3  # on the way at once, opened ones included; reading waits for them
AUDIT_UNWRITTEN_ROWS_MAX = 20_000  # of an audit's state in memory, 50 MB if all are the largest; then they are written
AUDIT_CACHE_BYTES_MAX = 64 * MIB  # of an audit's state rows in memory, and of its trie rows; the oldest are forgotten

# ---- the transparency log (the signatures of validators alone fit the limits of a note)
NOTE_BYTES_MAX = 128 * KIB
NOTE_SIGNATURES_MAX = 256
LOG_PROOF_BYTES_MAX = NOTE_BYTES_MAX + 16 * KIB
POLICY_BYTES_MAX = 256 * KIB
POLICY_LINES_MAX = 4_096
COSIGN_QUIET_MS = 1_000  # after which the newest block is cosigned when none that begins a second of ledger time came
COSIGN_SLOW_BLOCKS = 16  # of which one is cosigned while ledger time goes on by one millisecond with each
COSIGNERS_AHEAD_BLOCKS_MAX = 1  # a validator that is further behind than that does not cosign until it has caught up
COSIGNATURES_HELD_MAX = 4  # of one validator, of the newest heights; enough for those who are a little behind
COSIGNATURE_EVERY_MS = 500  # on average, of one peer; beyond, after a burst, they are dropped unread
COSIGNATURE_BURST = 8
COSIGNATURES_IN_NOTE_MAX = 99  # unless the quorum needs more: some readers of notes accept 100 signatures

# ---- light clients
LIGHT_UPDATE_STEPS_MAX = 64  # validator-set changes in one light update; beyond, it leads to the next change only
LIGHT_UPDATE_TRAIL_BYTES_MAX = 4 * MIB  # of the commit records of these changes, unless one has more; likewise
LIGHT_UPDATE_BYTES_MAX = 16 * MIB
BLOCK_PROOF_BYTES_MAX = 8 * MIB
EVENT_BYTES_MAX = 16 * MIB  # of one server-sent event, that a client reads
LIGHT_HEADERS_REMEMBERED_MAX = 256  # certified headers in which a fork is seen at once; the oldest are forgotten

# ---- watching
SPLIT_VIEW_BYTES_MAX = 32 * MIB
WATCH_NODES_MAX = 256  # nodes that are watched at once
WATCH_STATE_BYTES_MAX = 8 * MIB  # what is remembered between two looks

# ---- mempool
MEMPOOL_TRANSACTIONS_MAX = 50_000  # a submission beyond is refused: MEMPOOL_FULL, retry later
MEMPOOL_BYTES_MAX = 256 * MIB
MEMPOOL_SENDER_TRANSACTIONS_MAX = 20_000  # of one sender, and its bytes: SENDER_MEMPOOL_FULL, retry later
MEMPOOL_SENDER_BYTES_MAX = 64 * MIB
MEMPOOL_MEMBER_TRANSACTIONS_MAX = 25_000  # of a top-level account and all below it, who adds them itself; likewise
MEMPOOL_MEMBER_BYTES_MAX = 128 * MIB
MEMPOOL_VALIDATOR_TRANSACTIONS_MAX = 64  # of a validator as sender, likewise: all of it is evidence
PROMPT_TRANSACTIONS_MAX = 16  # a sender of whom no more wait is gossiped ahead of others' backlogs
SUBMISSION_REPEAT_TICKS = 2  # a submission that still waits after so many ticks is sent to the peers again
VERIFIED_ENVELOPES_MAX = 32_000  # verified for blocks and remembered beside the mempool; the oldest are forgotten
EXPIRED_TRANSACTIONS_MAX = 100_000  # ids dropped from the mempool by ledger time; the oldest are forgotten

# ---- state
PAGE_LEAVES_MAX = 32  # below a node of the state trie that is one row with all of them; part of the format of rows
PAGE_SPLICES_MAX = 8  # writes of a block in one page that are spliced in; for more it is made anew, which is faster
PUBLIC_KEYS_REMEMBERED_MAX = 65_536  # points that were checked, more than a block can name; the oldest are forgotten
STATE_ROWS_CACHED_MAX = 50_000  # decoded rows of one height; beyond, all are forgotten and read again
STATE_ROWS_REMEMBERED_MAX = 2_048  # decoded rows of one kind, whatever their height; the least used are forgotten

# ---- peers
FRAME_BYTES_MAX = 4 * MIB
GOSSIP_FRAME_BYTES_MAX = 1 * MIB
GOSSIP_TRANSACTIONS_PER_FRAME_MAX = 1_000
PEER_OUTBOX_FRAMES_MAX = 4_096  # beyond, gossip is dropped first, then the link is closed
PEER_OUTBOX_BYTES_MAX = 64 * MIB
DIAL_FAULT_CHARACTERS_MAX = 200  # of why a peer could not be dialed, which may be in its own words
PEER_LINKS_MAX = 256
HANDSHAKE_TIMEOUT_MS = 5_000  # from accepting or dialling a connection to both hellos
PEER_HANDSHAKES_MAX = 64  # inbound at once; one beyond takes the place of an address that has more, or is closed unread
PEER_HANDSHAKES_PER_ADDRESS_MAX = 16
ACCEPTED_IN_A_ROW_MAX = 16  # connections; then everything else that the node does has its turn
ACCEPT_PAUSE_MS = 1_000  # after a connection that could not be accepted
PEER_HEARTBEAT_MS = 20_000  # a ping after so much silence; the link is closed after half as much more
PEER_CLOSE_TIMEOUT_MS = 1_000
RECONNECT_DELAY_MS_MIN = 100
RECONNECT_DELAY_MS_MAX = 10_000
REMOVED_PEER_HEIGHTS = 10_000  # for which a validator that was removed is still linked, unless it has heard of it
REMOVED_PEERS_MAX = 100  # of those; the one removed first is forgotten
MISBEHAVIOUR_DELAY_MS = 10_000  # no new link for so long with a peer that sent what no correct node sends

# ---- processes that verify signatures ahead of the replica
VERIFY_WORKERS_MAX = 64
VERIFY_WORKERS_DEFAULT_MAX = 8  # what one loop that executes can keep busy
VERIFY_AHEAD_MIN = 32  # signatures that come together; fewer are verified where they are needed, which is sooner
VERIFY_AHEAD_MAX = 32_768  # signatures that were not asked for yet; the oldest are forgotten, and verified when asked
VERIFY_AHEAD_BYTES_MAX = 32 * MIB  # of what they sign, likewise
VERIFY_JOBS_MAX = 1_024  # that they were handed out in, likewise
VERIFY_JOB_SIGNATURES = 128  # that a worker is handed at a time: some 5 ms
VERIFY_WORKER_SIGNATURES_MAX = 1_024  # under way with one worker: it is not idle while the replica executes a block
VERIFY_WORKER_BYTES_MAX = 1 * MIB  # likewise, and the pipe to it if the system allows that
VERIFY_WAIT_MS_MAX = 500  # for an answer that the replica needs; a worker that is slower is ended
VERIFY_SIGNATURE_MS_MAX = 1  # worth waiting for one; what was waited beyond adds up to the longest wait at most
VERIFY_START_SECONDS_MAX = 60  # that a worker may take to be ready
VERIFY_RESTART_SECONDS = 10  # from the loss of a worker to its successor

# ---- the runtime's queue in front of the replica
INBOX_FRAMES_MAX = 1_024  # per peer; beyond, its link is not read until there is room
INBOX_BYTES_MAX = 8 * MIB  # per peer, likewise
INBOX_SUBMISSIONS_MAX = 20_000  # transactions from HTTP not yet looked at; a submission beyond is refused
INBOX_SUBMISSION_BYTES_MAX = 64 * MIB
INBOX_SENDER_SUBMISSIONS_MAX = 5_000  # of one sender, likewise: nobody can take all the room
INBOX_SENDER_SUBMISSION_BYTES_MAX = 16 * MIB
BLOCK_ANSWERS_TIMES = 3  # as long as the last block took: that the next is held back for answers to it, at most; and
BLOCK_ANSWERS_SHARE = 100  # a hundredth of a base timeout: that a block is held back for answers to the last one
BLOCK_FILL_MS_MAX = 100  # that transactions wait at a new height for others, and half a base timeout at most
STEP_MESSAGES_MAX = 64  # messages in one step of the replica
STEP_ENVELOPES_MAX = 128  # in one step: about 6 ms of verification; in smaller steps, each costs noticeably more
LOOP_TURNS_PER_STEP = 4  # of the event loop while transactions or requests wait: a request is answered in that many
STEP_ENVELOPE_BYTES_MAX = 128 * KIB  # of them together: up to 10 ms of reading
SHORT_STEP_ENVELOPES_MAX = 32  # in one step while somebody reads over HTTP, who waits for the end of it
SHORT_STEP_ENVELOPE_BYTES_MAX = 64 * KIB  # likewise
READING_MS = 250  # that somebody is taken to go on reading after a request

# ---- HTTP
HTTP_BODY_BYTES_MAX = 8 * MIB
HTTP_BATCH_TRANSACTIONS_MAX = 1_000
HTTP_PAGE_ITEMS_DEFAULT = 50
HTTP_PAGE_ITEMS_MAX = 200
HTTP_WAIT_SECONDS_MAX = 60
HTTP_WAITERS_MAX = 10_000
HTTP_WAITERS_PER_ADDRESS_MAX = 2_000
HTTP_STREAMS_MAX = 256
HTTP_STREAMS_PER_ADDRESS_MAX = 32
HTTP_CONNECTIONS_MAX = 1_024  # one beyond takes the place of an address that has more, or is turned away
HTTP_CONNECTIONS_PER_ADDRESS_MAX = 512
HTTP_HANDSHAKES_MAX = 256  # over TLS, at once, likewise; some 256 KiB each. Who is turned away counts until it has gone
HTTP_HANDSHAKES_PER_ADDRESS_MAX = 128
HTTP_HANDSHAKE_SECONDS_MAX = 5  # from accepting a connection over TLS to letting it in, or to its end
HTTP_BODIES_BYTES_MAX = 256 * MIB  # of all requests being read at once; beyond, a submission is refused: retry later
HTTP_TOKENS_MAX = 1_000  # bearer tokens of one node; each request is compared with all of them
HTTP_TOKEN_BYTES_MIN = 32  # of one that a person wrote: short ones are guessed
HTTP_TOKEN_BYTES_MAX = 512
HTTP_LINE_BYTES_MAX = 8_190  # request line, and each header
HTTP_READ_SECONDS_MAX = 30  # that the head of a request may take from its first byte on, and its body likewise
HTTP_IDLE_SECONDS_MAX = 75  # between two requests of a connection
HTTP_SLICE_BYTES = 64 * KIB  # of an answer, handed to its connection at a time, and what may wait there for the next
HTTP_UNREAD_BYTES_MAX = 128 * MIB  # of all answers that wait for their readers, half for one address; beyond, closed
HTTP_UNREAD_CONNECTION_BYTES = 256 * KIB  # what each of them counts for besides its bytes: requests queued behind it
HTTP_UNREAD_ROOM_BYTES_MIN = 4 * MIB  # of that, which must be left for a request to be answered at all
HTTP_UNREAD_SECONDS_MAX = 30  # in which a reader takes so much of what waits for it; one that does not is disconnected
HTTP_UNREAD_TAKEN_BYTES_MIN = 64 * KIB
HTTP_CLOSE_SECONDS_MAX = 5  # that requests get to finish at shutdown
HTTP_STREAM_KEEP_ALIVE_SECONDS = 15  # between comments on a quiet event stream
HTTP_STREAM_WRITE_SECONDS_MAX = 30  # that one write may take; a slower reader is disconnected and resumes
HTTP_STREAM_BLOCKS_PER_WRITE_MAX = 16
HTTP_STREAM_BYTES_PER_WRITE_MAX = 256 * KIB  # beyond, no further event is put into a write; one event may have more

# ---- storage
PROOF_HEIGHTS_DEFAULT = 256  # newest heights of which a node keeps what proves the state
PROOF_HEIGHTS_MIN = 2  # the newest, and the one before it, which a client may just have been told of
PROOF_HEIGHTS_MAX = 1_000_000  # the rows of the trie of each are kept: 1 to 2 kB for every key that it touched
DISK_FREE_BYTES_MIN = 64 * MIB  # below, submissions are refused; votes and commits still fit
STATE_CACHE_BYTES_MAX = 64 * MIB  # current state rows in memory; the least recently used are forgotten
TRIE_CACHE_BYTES_MAX = 96 * MIB  # rows of the state trie in memory, likewise: all those of a million keys
PRUNED_HEIGHTS_PER_COMMIT_MAX = 4  # of trie rows without a proof to make; what is left over waits for the next commit
SEEN_FILTER_BYTES = 8 * MIB  # of each filter in memory: of the ids that blocks have, and of the keys that state has
SCRUBBED_ROWS_PER_LOOK_MAX = 256  # read at each tick in search of damage, about a millisecond; or a chunk of a block
SCRUBBED_BYTES_PER_LOOK_MAX = MIB  # of those rows, more only if the first of them has
BODY_CHUNK_BYTES_MAX = BLOCK_BYTES_MAX + KIB  # of the row of some transactions of a block, before it was compressed
UPGRADE_ROWS_PER_BATCH = 5_000  # of an older database, deleted or made anew at a time: some 20 MB
DAMAGED_BLOCKS_MAX = 1_024  # heights that are known to be damaged; those beyond are found again once there is room
QUERY_SEEKS_MAX = 192  # in vain, of one query, some milliseconds; it then gives a short page, and where to go on

assert GOSSIP_FRAME_BYTES_MAX + KIB <= FRAME_BYTES_MAX, "a gossip frame must fit a frame"
assert BLOCK_BYTES_MAX + RECORD_BYTES_MAX // 4 <= FRAME_BYTES_MAX, "a certified block must fit a frame"
assert FRAME_BYTES_MAX <= INBOX_BYTES_MAX, "any frame must fit an empty inbox"
assert FRAME_BYTES_MAX <= PEER_OUTBOX_BYTES_MAX, "any frame must fit an empty outbox"
assert ENVELOPE_BYTES_MAX + KIB <= GOSSIP_FRAME_BYTES_MAX, "any transaction must fit a gossip frame"
assert BLOCK_TRANSACTIONS_MAX * 68 + 64 * KIB <= FRAME_BYTES_MAX, "a proposal of hashes must fit a frame"
assert RECORD_CONTENT_BYTES_MAX < ENVELOPE_BYTES_MAX, "a record must fit its transaction"
assert MEMPOOL_SENDER_TRANSACTIONS_MAX < MEMPOOL_MEMBER_TRANSACTIONS_MAX, "one sender must not take its member's room"
assert MEMPOOL_SENDER_BYTES_MAX < MEMPOOL_MEMBER_BYTES_MAX, "one sender must not take its member's room"
assert MEMPOOL_MEMBER_TRANSACTIONS_MAX < MEMPOOL_TRANSACTIONS_MAX, "one member must not fill the mempool"
assert MEMPOOL_MEMBER_BYTES_MAX < MEMPOOL_BYTES_MAX, "one member must not fill the mempool"
assert ENVELOPE_BYTES_MAX <= SHORT_STEP_ENVELOPE_BYTES_MAX <= STEP_ENVELOPE_BYTES_MAX, "any must fit a step"
assert HTTP_BATCH_TRANSACTIONS_MAX <= INBOX_SENDER_SUBMISSIONS_MAX, "any submission must fit an empty inbox"
assert HTTP_BODY_BYTES_MAX <= INBOX_SENDER_SUBMISSION_BYTES_MAX, "any submission must fit an empty inbox"
assert VALIDATORS_MAX * KIB // 2 <= NOTE_BYTES_MAX, "a checkpoint that all validators cosigned must fit"
assert VALIDATORS_MAX * KIB <= POLICY_BYTES_MAX, "the policy of the largest validator set must fit"
assert VALIDATORS_MAX < NOTE_SIGNATURES_MAX, "all cosignatures and the note's own must fit"
assert HTTP_PAGE_ITEMS_DEFAULT <= HTTP_PAGE_ITEMS_MAX
