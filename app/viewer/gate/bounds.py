"""What one browser, or many, may take of the server: sessions are counted, and Streamlit's own uploads are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# A session holds what its pages show; a person has a few tabs.
MAX_SESSIONS = 32
MAX_CONNECTIONS = 256
# What a page tells of its widgets is a few hundred bytes.
MAX_MESSAGE_BYTES = 1 << 20
# Streamlit's own: takes any number of files from any session, asked for or not (slides come in by `incoming`); logs in
# and out past the door; tells how many sessions there are; runs pages for programs.
CLOSED = ("/_stcore/upload_file", "/auth/", "/oauth2callback", "/_stcore/metrics", "/_stcore/agent")


class Bounds:
    """ASGI middleware: no more than MAX_SESSIONS WebSockets at a time, and nothing through what is closed."""

    def __init__(self, app: ASGIApp, max_sessions: int = MAX_SESSIONS) -> None:
        self._app = app
        self._max_sessions = max_sessions
        self._sessions = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import PlainTextResponse

        if scope["type"] == "http" and scope["path"].startswith(CLOSED):
            await PlainTextResponse("There is nothing here.\n", 404)(scope, receive, send)
        elif scope["type"] != "websocket":
            await self._app(scope, receive, send)
        elif self._sessions >= self._max_sessions:
            await send({"type": "websocket.close", "code": 1013})
        else:
            self._sessions += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._sessions -= 1
