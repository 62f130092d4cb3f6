# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""uvicorn's HTTP, with an end that loses no request, in a worker that is as fast as it can be."""

import importlib

import mlflow_worker
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The proxy sends its request as soon as it is connected; whoever has sent nothing after this long does not want to.
PATIENCE_SECONDS = 5


class Protocol(HttpToolsProtocol):
    """A connection that was accepted just before the end is answered, and then closed.

    uvicorn closes a connection of which it has not read anything yet, though the request may be on its way. The server
    waits for its connections, so it is enough to close this one later.
    """

    def shutdown(self) -> None:
        """Begin to end."""
        if self.cycle is None:
            self.loop.call_later(PATIENCE_SECONDS, super().shutdown)
        else:
            super().shutdown()


# uvicorn takes this class in each worker before it imports the application, and calls nobody when that is there.
importlib.import_module("mlflow.server.fastapi_app")
mlflow_worker.make_fast()
