"""The synchronous heart of a node: what it is told, what it asks for, and the order in between.

A `Replica` owns the chain tip, the mempool, one consensus engine per height, the store and the guard. It is driven
by `step(inputs, now) -> actions`; the runtime and the simulator drive the very same object. Two orders are kept, each
in one function (design section 2):

* `voice.speak`: sign, write one synced batch with the messages and all they promise, write the guard, and only then
  send, and count the messages here;
* `committing.append`: check the record against block and validators, write one synced batch, and only then announce
  the block and prune the mempool; the next height begins after that.

Reading order: `inputs`, `actions`, `replica` (the loop of a step), `driving` (the engine's effects), `voice`,
`committing`; then what is kept: `parts` (all of it), `deciding` (of one height), `blocks` (its candidates), `postbox`
(messages of the next), `findings` (durable notes), `reports` (those that the ledger shall have); then what comes in and
goes out: `door` (envelopes), `reading` (the tip that blocks are judged on), `hearing` (peers), `fetching`, `serving`,
`peers` and `syncing` (catching up), `accusing` (contradictions); `cosigned`, `cosigning` and `gathering` (checkpoints
of the log); `repairing` with its `repairs` (damage on the disk); and `opening` (restart, and who may vote), `standing`
(which seat its key has, as the set changes), `watch`, `status`, `explaining`, `describing`.
"""

from node.replica.actions import (
    Action,
    Answer,
    BlockAppended,
    Committed,
    Halted,
    Logged,
    Outcome,
    PeerMisbehaved,
    Pending,
    SendTo,
    SendToAll,
    WakeAt,
)
from node.replica.cosigned import Published
from node.replica.inputs import (
    Elapsed,
    PeerConnected,
    PeerDisconnected,
    PeerMessageReceived,
    ReplicaInput,
    Submitted,
)
from node.replica.replica import Replica
from node.replica.status import DamageStatus, PeerStatus, ReplicaStatus, Role

__all__ = [
    "Action",
    "Answer",
    "BlockAppended",
    "Committed",
    "DamageStatus",
    "Elapsed",
    "Halted",
    "Logged",
    "Outcome",
    "PeerConnected",
    "PeerDisconnected",
    "PeerMessageReceived",
    "PeerMisbehaved",
    "PeerStatus",
    "Pending",
    "Published",
    "Replica",
    "ReplicaInput",
    "ReplicaStatus",
    "Role",
    "SendTo",
    "SendToAll",
    "Submitted",
    "WakeAt",
]
