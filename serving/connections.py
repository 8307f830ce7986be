"""Uvicorn's connections with deadlines, so that slow clients cannot block others."""

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 500
MOST_AT_ONCE = 16_384  # bytes per read: as tiny chunks, these take 0.1 s to parse
SLOWEST_HEAD = 10.0  # seconds within which the request line and headers must arrive
SLOWEST_ANSWER = 50.0  # further seconds within which the client must have read the response


class Connection(H11Protocol):
    """An HTTP/1.1 connection that is closed if its client is idle or too slow.

    If there are too many connections, a new one replaces an idle one.
    """

    clock = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        transport.max_size = MOST_AT_ONCE  # then the next connection gets its turn
        if len(self.connections) > MOST_CONNECTIONS:
            others = (one for one in self.connections if one is not self and one.is_idle())
            if idle := next(others, None):
                idle.transport.abort()
        self.wait_for_head()

    def connection_lost(self, error) -> None:
        self.clock.cancel()
        super().connection_lost(error)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.wait_for_head()

    def is_idle(self) -> bool:
        """Return whether the connection is waiting for a request line and headers."""
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def wait_for_head(self) -> None:
        """Start the deadline of the next request."""
        if self.clock:
            self.clock.cancel()
        self.clock = self.loop.call_later(SLOWEST_HEAD, self.head_is_due)

    def head_is_due(self) -> None:
        """Close an idle connection; otherwise start the deadline of the response."""
        if self.is_idle():
            self.timeout_keep_alive_handler()
        else:
            self.clock = self.loop.call_later(SLOWEST_ANSWER, self.transport.abort)


def make_server(app) -> uvicorn.Server:
    """Create the server of the service, which logs only failures, one line each."""
    config = uvicorn.Config(
        app,
        http=Connection,
        loop="asyncio",  # its transports have max_size
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
        limit_concurrency=MOST_CONNECTIONS + 1,
    )
    return uvicorn.Server(config)
