"""Connections that keep nobody out: uvicorn's, with deadlines."""

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 500
MOST_AT_ONCE = 16_384  # bytes: thousands of tiny chunks, which take a tenth of a second to parse
SLOWEST_HEAD = 10.0  # seconds until a request line and its headers have to be here
SLOWEST_ANSWER = 50.0  # seconds from then on, until the client has read the answer


class Connection(H11Protocol):
    """A connection of HTTP/1.1 that is closed if its client is idle, or too slow.

    Idle ones that are too many make room for new ones.
    """

    clock = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        transport.max_size = MOST_AT_ONCE  # then it is the next connection's turn
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
        """Tell whether a request line and its headers are awaited."""
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def wait_for_head(self) -> None:
        """Begin to count the seconds of the next request."""
        if self.clock:
            self.clock.cancel()
        self.clock = self.loop.call_later(SLOWEST_HEAD, self.head_is_due)

    def head_is_due(self) -> None:
        """Close the connection, or see to it that the answer ends too."""
        if self.is_idle():
            self.timeout_keep_alive_handler()
        else:
            self.clock = self.loop.call_later(SLOWEST_ANSWER, self.transport.abort)


def make_server(app) -> uvicorn.Server:
    """Make the server of the service. Its log holds what went wrong, a line for each."""
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
