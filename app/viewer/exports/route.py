"""Exports of the list: `/viewer/export/<token>` takes {ids, formats} and gives an export's id; `.../<id>.zip` streams
it once, `.../<id>` tells how far it is, DELETE ends it.

A token belongs to one visitor, as the page knew them: what is hidden from them is not in their archive either, and to
somebody else it is worth nothing.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from app.exchange.export import EXCHANGE_FORMATS, PROJECT_FORMATS, Wanted
from app.presentation.language import LANGUAGES
from app.reports import FORMATS, Asked
from app.review.records import person_facts
from app.viewer.exports.running import Running
from app.viewer.gate.visitors import Visitor, visitor_of
from wsi.errors import UsageError
from wsi.files.reading import parse_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.viewer.catalog import Entry

EXPORT_ROUTE = "/export"
OFFERED = (*FORMATS, *EXCHANGE_FORMATS, *PROJECT_FORMATS)
# Each is a process that works as fast as the browser reads.
MAX_RUNNING = 3
_MAX_KEPT, _MAX_LEAVES, _LEAVE_S = 32, 1024, 12 * 3600
_MAX_ASKED_BYTES = 4 << 20


class BrokenOffError(Exception):
    """Ends an answer in its middle, so that the browser knows that the file is not whole. Not logged: `Quiet`."""


class Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], BrokenOffError))


@dataclass
class _Export:
    """One that was asked for. `running` is there from its first byte on; `leave` whose it is."""

    leave: str
    request: Mapping[str, Any]
    running: Running | None = None
    began: float = field(default_factory=time.monotonic)


@dataclass
class Exports:
    """`find` gives the entry of a slide that a visitor may know of, `request` what the process has to know besides:
    results, database, ..."""

    find: Callable[[str, Visitor], Entry | None]
    request: Callable[[], Mapping[str, Any]]
    _leaves: OrderedDict[str, tuple[float, Visitor]] = field(default_factory=OrderedDict)
    _exports: OrderedDict[str, _Export] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def leave(self, who: Visitor) -> str:
        """A token of leave to export, as this visitor. The same one for as long as it is good."""
        now_s = time.monotonic()
        with self._lock:
            for token, (until_s, whose) in self._leaves.items():
                if whose == who and until_s > now_s + _LEAVE_S / 2:
                    return token
            token = secrets.token_hex(16)
            self._leaves[token] = (now_s + _LEAVE_S, who)
            while len(self._leaves) > _MAX_LEAVES:
                self._leaves.popitem(last=False)
        return token

    def plan(
        self, leave: str, slide_ids: Sequence[str], formats: Sequence[str], language: str = LANGUAGES[0]
    ) -> tuple[str, int]:
        """The id of an export, and of how many slides it is. Raises UsageError, KeyError for a bad leave."""
        if language not in LANGUAGES:
            raise UsageError("reports are not written in that language", hint=f"choose from {', '.join(LANGUAGES)}")
        wanted = Wanted(tuple(dict.fromkeys(formats)), asked=Asked(language))
        who = self._visitor(leave)
        entries = [entry for slide_id in dict.fromkeys(slide_ids) if (entry := self.find(slide_id, who)) is not None]
        slides = [[str(entry.folder), entry.row.slide_id] for entry in entries]
        if not slides:
            raise UsageError("there is no slide to export", hint="clear the search")
        told = {"slides": slides, "formats": wanted.formats, "fhir": wanted.fhir, "language": wanted.asked.language}
        request = {**self.request(), **told, "reader": person_facts(who.person) if who.person else None}
        with self._lock:
            idle = [name for name, one in self._exports.items() if one.running is None or one.running.end]
            for name in idle[: max(0, len(self._exports) - _MAX_KEPT + 1)]:
                del self._exports[name]
            export_id = secrets.token_hex(16)
            self._exports[export_id] = _Export(leave, request)
        return export_id, len(slides)

    def facts(self, leave: str, export_id: str) -> dict[str, Any] | None:
        """How far it is; None where there is no such export of this leave."""
        export = self._of(leave, export_id)
        if export is None:
            return None
        running = export.running
        if running is None:
            return {"done": 0, "total": len(export.request["slides"]), "left_out": 0, "end": ""}
        return {name: getattr(running, name) for name in ("done", "total", "left_out", "end")}

    def start(self, leave: str, export_id: str) -> Running | None:
        """Begins it; None where there is none to begin. Raises UsageError where too many are under way."""
        with self._lock:
            export = self._of(leave, export_id)
            if export is None or export.running is not None:
                return None
            if sum(one.running is not None and not one.running.end for one in self._exports.values()) >= MAX_RUNNING:
                raise UsageError("other exports are under way", hint="wait until one is done")
            export.running = Running(export.request)
        return export.running

    def cancel(self, leave: str, export_id: str) -> bool:
        export = self._of(leave, export_id)
        if export is None:
            return False
        if export.running is not None:
            export.running.cancel()
        else:
            self._exports.pop(export_id, None)
        return True

    def stop(self) -> None:
        """Ends all of them: the server goes."""
        for export in list(self._exports.values()):
            if export.running is not None and not export.running.end:
                export.running.cancel()

    def _visitor(self, leave: str) -> Visitor:
        until_s, who = self._leaves[leave]
        if until_s < time.monotonic():
            raise KeyError(leave)
        return who

    def _of(self, leave: str, export_id: str) -> _Export | None:
        export = self._exports.get(export_id)
        return export if export is not None and export.leave == leave and leave in self._leaves else None

    # --- the routes

    def routes(self) -> list[Route]:
        from starlette.routing import Route

        logging.getLogger("uvicorn.error").addFilter(Quiet())
        return [
            Route(EXPORT_ROUTE + "/{token}", self._plan, methods=["POST"]),
            Route(EXPORT_ROUTE + "/{token}/{export_id}.zip", self._stream, methods=["GET"]),
            Route(EXPORT_ROUTE + "/{token}/{export_id}", self._tell, methods=["GET", "DELETE"]),
        ]

    def _leave_of(self, request: Request) -> str:
        """The address's token, where it was made for who asks; else none that is known."""
        visitor, token = visitor_of(request.scope), str(request.path_params["token"])
        _, whose = self._leaves.get(token, (0.0, None))
        return token if visitor is not None and whose is not None and whose.owner == visitor.owner else ""

    async def _plan(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        try:
            asked = parse_json(await _whole(request))
            ids, formats = list(map(str, asked["ids"])), list(map(str, asked["formats"]))
            language = str(asked.get("language", LANGUAGES[0]))
            words = (self._leave_of(request), ids, formats, language)
            export_id, count = await anyio.to_thread.run_sync(self.plan, *words)
        except UsageError as error:
            return _refused(f"{error.message}; {error.hint}", 422)
        except KeyError:
            return _refused("Reload the page: its leave to export has run out.", 403)
        except (ValueError, TypeError):
            return _refused("The page did not say what to export.", 400)
        return JSONResponse({"export": export_id, "slides": count})

    async def _tell(self, request: Request) -> Response:
        from starlette.responses import JSONResponse, Response

        words = self._leave_of(request), request.path_params["export_id"]
        if request.method == "DELETE":
            return Response(status_code=204 if self.cancel(*words) else 404)
        facts = self.facts(*words)
        return (
            Response(status_code=404) if facts is None else JSONResponse(facts, headers={"Cache-Control": "no-store"})
        )

    async def _stream(self, request: Request) -> Response:
        from starlette.responses import StreamingResponse

        words = self._leave_of(request), request.path_params["export_id"]
        try:
            running = await anyio.to_thread.run_sync(self.start, *words)
        except UsageError as error:
            return _refused(f"{error.message}; {error.hint}", 429)
        if running is None:
            return _refused("This export was fetched already, or is none of yours.", 404)
        name = f"pulmoscope-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return StreamingResponse(_pieces(running), media_type="application/zip", headers=headers)


async def _pieces(running: Running) -> AsyncIterator[bytes]:
    try:
        while piece := await anyio.to_thread.run_sync(running.piece, abandon_on_cancel=True):
            yield piece
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(running.close)
    if running.end != "done":
        raise BrokenOffError


async def _whole(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_ASKED_BYTES:
            raise ValueError("too long")
    return body


def _refused(text: str, status: int) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(text, status)
