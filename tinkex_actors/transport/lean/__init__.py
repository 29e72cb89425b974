"""A lean HTTP/1.1 pool on trio: keep-alive, TLS, deadlines, and nothing allocated that a request does not need.

::

    LeanTransport      what httpx sees: an AsyncBaseTransport
    Pool               lanes; retries a dead connection once, when that is safe
    Lane               the connections that share one limit
    Connection         one exchange after another over one wire
    ResponseReader     bytes -> one response, by httptools
    Wire               PlainWire, TlsWire: bytes through a non-blocking socket
    Sweeper            one task that ends whatever is late

Why not httpx's own: its pool looks at every connection for every request, and its requests and responses cost ten times
what the network does (``docs/design/performance.md``). Every failure is raised as one of httpx's exceptions, so that
whoever sits above has one tree of errors for all transports. No message contains a header or a body.
"""
