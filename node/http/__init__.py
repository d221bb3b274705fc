"""The HTTP API of a node (design section 9): thin handlers over the committed chain, and one table of routes.

A request goes parse -> query -> render:

* `application` takes it from aiohttp, checks what holds for every route (parameters, problems, headers, metrics) and
  calls the route's handler with a `Call`;
* the handler (`submitting`, `transactions`, `blocks`, `registry`, `events`, `health`) reads parameters through
  their declarations, asks the node through `face.NodeFace`, and returns an `Answer`;
* `render` is the only place where values become JSON.

`routes` is the whole API on one screen; the OpenAPI document is built from it, so no route can be missing there.
Refusals become RFC 9457 problem details in `problems`. `server` binds sockets and bounds connections,
`handshakes` those that are not over TLS yet.
"""

from node.http.application import create_application
from node.http.face import NodeFace
from node.http.server import HttpServer

__all__ = ["HttpServer", "NodeFace", "create_application"]
