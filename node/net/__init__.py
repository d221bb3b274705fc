"""Links between nodes: WebSockets with binary frames over mutual TLS, pinned to Ed25519 node keys (design section 8).

    accepting connections one by one, for this listener and that of the HTTP API over TLS
    listener  accepts connections, within bounds, up to a WebSocket whose other end holds a listed key
    dialer    opens them to an address
    tls       the contexts behind that: trust anchors made of public keys
    handshake the first frame of each side: same network, same protocol, who is who
    peers     who should be linked: dials, admits, keeps one link per pair, lets misbehaving peers wait
    links     one link: a reader that stops when the node is busy, a writer that empties an outbox
    outbox    what waits to be sent: bounded, consensus first, gossip dropped first
    backoff   how long to wait before the next attempt

Frames are `node.wire`'s. What arrives goes to the runtime's inbox; nothing here judges its content.
"""
