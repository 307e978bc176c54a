"""One process, one port: Streamlit's pages, the slide's tiles and the viewer's own script, under uvicorn.

Not ``streamlit run``: its socket waits to fill packets (no TCP_NODELAY), which costs each tile some 40 ms.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import importlib.util
import logging
import re
import socket
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.slides.guarded import shared_slides
from app.viewer.catalog import look
from app.viewer.gate.access import Door
from app.viewer.gate.bounds import MAX_CONNECTIONS, MAX_MESSAGE_BYTES, Bounds
from app.viewer.gate.identity import check_library
from app.viewer.gate.settings import set_streamlit
from app.viewer.pages import theme
from app.viewer.site import MOUNT, Site, default_site, install
from wsi.errors import OutputBusyError

if TYPE_CHECKING:
    import uvicorn
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPT = Path(__file__).parent / "script" / "page.py"
LOOPBACK = "127.0.0.1"


def serve(results: Path, slides: tuple[Path, ...], port: int, host: str = LOOPBACK, **more: Any) -> None:
    """Serves the viewer until it is interrupted; port 0 takes any free one. Logs no request.

    `more` are further fields of `Site`. Prints one line that holds the address, the key of this launch in it: nobody
    gets in without. With a login there is no key, and the address is that which people know.

    Raises OutputBusyError where the port is taken, UsageError and ReviewError for a database that cannot be used.
    """
    with listen(host, port) as listening:
        port = listening.getsockname()[1]
        site = default_site(results, slides, **more)
        site.reviews.check()
        if site.login is not None:
            check_library()
        server = make_server(site, port, host)
        address = site.key.address(host, port) if site.login is None else site.login.address
        print(f"pulmoscope is at {address} (stop it with Ctrl+C)", flush=True)
        server.run(sockets=[listening])


def make_server(site: Site, port: int, host: str = LOOPBACK) -> uvicorn.Server:
    """A server over `site`, not yet running."""
    import uvicorn

    # Tokens are part of a tile's address, so addresses stay out of every log. No proxy stands before us whose word
    # on scheme and address would count.
    options = uvicorn.Config(
        make_app(site, port, host),
        host=host,
        port=port,
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
    )

    logging.getLogger("uvicorn.error").addFilter(_is_no_interruption)

    class Server(uvicorn.Server):
        """Works the queue of jobs off for as long as it runs."""

        def run(self, sockets: list[socket.socket] | None = None) -> None:
            site.queue.start()
            make_ready(site)
            try:
                super().run(sockets)
            finally:
                site.queue.stop()
                site.exports.stop()

    return Server(options)


def make_ready(site: Site) -> None:
    """Starts what the first person would wait for: a process that opens slides, and a look at ten thousand rows."""
    shared_slides().start()
    threading.Thread(target=look, args=(site.results,), daemon=True).start()
    # Here and not in that thread: two threads that load the same modules at once can each get half of one.
    for module in ("app.viewer.pages.router", "altair", "zarr", "cv2"):
        importlib.import_module(module)


def _is_no_interruption(record: logging.LogRecord) -> bool:
    """Ctrl+C twice is no fault to be told with a traceback."""
    return "CancelledError" not in record.getMessage()


def make_app(site: Site, port: int, host: str = LOOPBACK) -> Any:
    """The ASGI application."""
    names = theme.allowed_hosts(host, site.gate.address)
    set_streamlit(theme.streamlit_options(host, port, names))
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Mount
    from streamlit import App

    install(site)
    guards = [
        Middleware(SecurityHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False),
        Middleware(Door, gate=site.gate),
        Middleware(Bounds),
    ]
    return App(SCRIPT, routes=[Mount(MOUNT, routes=own_routes(site))], middleware=guards)


def own_routes(site: Site) -> list[Route]:
    """What a browser asks besides Streamlit's pages, below MOUNT. Each asks who asks (`gate.visitors`)."""
    from app.viewer.pages import assets
    from app.viewer.pages.worklist.feed import LIST_GRANT, Feed
    from app.viewer.tiles.pictures import Pictures

    return [
        site.tiles.route(),
        Pictures(site.signer, LIST_GRANT, site.results, site.slides, site.may_see).route(),
        Feed(site, site.batches, site.queue.waiting).route(),
        *site.incoming.routes(),
        *site.exports.routes(),
        *assets.routes(),
    ]


class SecurityHeaders:
    """ASGI middleware: what a browser may do with our pages, on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in security_headers().items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


@lru_cache
def security_headers() -> dict[str, str]:
    """As strict as Streamlit's own pages allow: styles inline, components from blobs, nothing from elsewhere."""
    inline = " ".join(f"'sha256-{digest}'" for digest in _inline_scripts())
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' blob: {inline}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


def _inline_scripts() -> list[str]:
    """Digests of the scripts that Streamlit's own page holds inline; nothing else inline may run."""
    [package] = importlib.util.find_spec("streamlit").submodule_search_locations  # type: ignore[union-attr,misc]
    page = (Path(package) / "static" / "index.html").read_text(encoding="utf-8")
    scripts: list[str] = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    return [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket: who opens the address now is answered as soon as the server runs. Raises OutputBusyError."""
    # The protocol is named: only then does asyncio turn off the wait for full packets, 40 ms a tile.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(MAX_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise OutputBusyError(f"port {port} cannot be used: {error.strerror}", hint="choose another --port") from error
    return listening
