"""A slide on its way from a browser: chunk by chunk to disk, each with its digest; resumable, bounded, nameless.

`/viewer/incoming/<token>`: POST {bytes, mark} begins or resumes; PUT .../<id>?at=N adds a chunk; DELETE .../<id> ends.
`mark` is a digest of the file's ends that the browser makes: the same file goes on where it stopped. No name is sent.
Not Streamlit's uploader: it holds files in memory, takes any number from any session, and shows their names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio.to_thread

from app.viewer.gate.visitors import Visitor, visitor_of
from app.viewer.uploads.arrived import Arrived, receive
from app.viewer.uploads.owners import ownership
from app.viewer.uploads.stored import MAX_STORED, stored_bytes, upload_folders
from wsi.errors import OutputUnwritableError, PulmoscopeError, SlideTooLargeError, UsageError
from wsi.files.reading import is_folder, parse_json, read_regular
from wsi.files.writing import unwritable, write_file

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

INCOMING_ROUTE, INCOMING = "/incoming", ".incoming"
CHUNK_BYTES = 8 << 20
DEFAULT_MAX_BYTES = 20 << 30
# Of what comes in at a time, and of all that is stored: so many times the largest upload.
MAX_COMING, ALL_STORED = 16, 10
COMING_EACH, STORED_EACH = 4, 50
# Kept free on the disk: results are written there too.
SPARE_BYTES = 1 << 30
_FORGOTTEN_S = 7 * 24 * 3600
_ID, _MARK = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{64}")
_PART, _STATE = "part", "state.json"


@dataclass(frozen=True)
class Coming:
    """One upload: `got` of `size` bytes are on the disk and proved. `owner` may go on with it, `by` is their name."""

    upload_id: str
    size: int
    mark: str
    got: int
    owner: str
    by: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"size": self.size, "mark": self.mark, "got": self.got, "owner": self.owner, "by": self.by}


@dataclass
class Incoming:
    """Uploads under way below `uploads`. `owner_of` gives the owner that a token was made for, None for a bad token."""

    uploads: Path
    owner_of: Callable[[str], str | None]
    max_bytes: int = DEFAULT_MAX_BYTES
    _busy: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # --- what a page asks

    def arrived(self, who: Visitor) -> list[Arrived]:
        """Uploads that came whole and wait to be started by `who`, oldest first."""
        return [one for one in map(Arrived.read, self._folders()) if one is not None and who.handles(one.owner)]

    def coming(self, owner: str) -> list[Coming]:
        """Uploads of an owner that are not whole yet."""
        return [one for one in map(self._read, self._folders()) if one is not None and one.owner == owner]

    def drop(self, upload_id: str, who: Visitor) -> bool:
        """Ends an upload and removes what came of it; False where there is none that is `who`'s to remove."""
        folder = self.uploads / INCOMING / upload_id
        known = self._read(folder) or Arrived.read(folder) if _ID.fullmatch(upload_id) else None
        if known is None or not who.handles(known.owner):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def folder(self, upload_id: str) -> Path:
        """Where an upload that `arrived` told of lies."""
        return self.uploads / INCOMING / upload_id

    # --- coming in

    def begin(self, size: int, mark: str, owner: str, by: str = "") -> Coming:
        """A new upload, or the one of this file that was broken off.

        Raises UsageError, SlideTooLargeError, OutputUnwritableError.
        """
        if not _MARK.fullmatch(mark) or size < 1:
            raise UsageError("the upload does not say what it is")
        if size > self.max_bytes:
            raise SlideTooLargeError(f"the file is larger than {_told(self.max_bytes)}, the most that is taken here")
        with self._lock:
            self._forget()
            for one in self.coming(owner):
                if (one.size, one.mark) == (size, mark):
                    return one
            self._check_room(size, owner)
            coming = Coming(secrets.token_hex(8), size, mark, 0, owner, by)
            self._write(coming, make=True)
            return coming

    async def add(
        self, upload_id: str, owner: str, at: int, digest: str, body: AsyncIterator[bytes]
    ) -> Coming | Arrived:
        """Adds a chunk that begins at byte `at`. Nothing of it stays unless all of it came as its digest says.

        Raises UsageError, SlideError for what the whole file turned out to be.
        """
        with self._alone(upload_id):
            folder = self.uploads / INCOMING / upload_id
            coming = self._read(folder) if _ID.fullmatch(upload_id) else None
            if coming is None or coming.owner != owner:
                raise UsageError("there is no such upload", hint="choose the file again")
            if at != coming.got:
                raise UsageError(f"the upload goes on at byte {coming.got}", hint="choose the file again")
            most = min(CHUNK_BYTES, coming.size - coming.got)
            try:
                length = await _append(folder / _PART, coming.got, most, digest, body)
                coming = replace(coming, got=coming.got + length)
                await anyio.to_thread.run_sync(self._write, coming)
            except OSError as error:
                raise unwritable("the upload", error, hint="free space") from error
            if coming.got < coming.size:
                return coming
            return await anyio.to_thread.run_sync(self._finish, folder, coming)

    def _finish(self, folder: Path, coming: Coming) -> Arrived:
        """What came whole is looked at; what is no slide goes at once."""
        try:
            (folder / _STATE).unlink()
            return receive(folder, folder / _PART, coming.owner, self.max_bytes, coming.by)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @contextlib.contextmanager
    def _alone(self, upload_id: str) -> Iterator[None]:
        with self._lock:
            if upload_id in self._busy:
                raise UsageError("this upload is coming in already", hint="wait for it")
            self._busy.add(upload_id)
        try:
            yield
        finally:
            self._busy.discard(upload_id)

    # --- on the disk

    def _folders(self) -> list[Path]:
        place = self.uploads / INCOMING
        try:
            found = sorted(place.iterdir(), key=lambda path: path.lstat().st_ctime_ns) if is_folder(place) else []
        except OSError:
            return []
        return [path for path in found if _ID.fullmatch(path.name) and is_folder(path)]

    def _read(self, folder: Path) -> Coming | None:
        try:
            state = parse_json(read_regular(folder / _STATE, 4096))
            told = int(state["size"]), str(state["mark"]), int(state["got"]), str(state["owner"])
            return Coming(folder.name, *told, str(state.get("by", "")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _write(self, coming: Coming, *, make: bool = False) -> None:
        folder = self.uploads / INCOMING / coming.upload_id
        try:
            if make:
                folder.mkdir(parents=True)
            write_file(folder / _STATE, json.dumps(coming.to_json()).encode())
        except OSError as error:
            raise unwritable("the upload", error, hint="free space") from error

    def _forget(self) -> None:
        """What nobody went on with for a week."""
        for folder in self._folders():
            if folder.name not in self._busy and time.time() - folder.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(folder, ignore_errors=True)

    def _check_room(self, size: int, owner: str) -> None:
        coming = [one for one in map(self._read, self._folders()) if one is not None]
        stored = upload_folders(self.uploads)
        if len(coming) >= MAX_COMING or len(stored) >= MAX_STORED:
            raise OutputUnwritableError("as many uploads are here as are kept", hint="delete one that is done with")
        # Where people log in nobody takes all the room that others need, and cannot free.
        mine = [one for one in stored if owner and ownership(one).owner == owner]
        if owner and (sum(one.owner == owner for one in coming) >= COMING_EACH or len(mine) >= STORED_EACH):
            raise OutputUnwritableError("you have as many uploads here as one may", hint="delete one that is done with")
        if stored_bytes(self.uploads) + size > ALL_STORED * self.max_bytes:
            raise OutputUnwritableError("the uploads fill the room they have", hint="delete one that is done with")
        self.uploads.mkdir(parents=True, exist_ok=True)
        still_to_come = sum(one.size - one.got for one in coming)
        if shutil.disk_usage(self.uploads).free - still_to_come < size + SPARE_BYTES:
            raise OutputUnwritableError("the disk has no room for this file", hint="free space")

    # --- the route

    def routes(self) -> list[Route]:
        from starlette.routing import Route

        return [
            Route(INCOMING_ROUTE + "/{token}", self._begin, methods=["POST"]),
            Route(INCOMING_ROUTE + "/{token}/{upload_id}", self._go_on, methods=["PUT", "DELETE"]),
        ]

    def _who(self, request: Request) -> Visitor | str:
        """Who asks, where the address's token was made for them; else why they are refused."""
        visitor, owner = visitor_of(request.scope), self.owner_of(request.path_params["token"])
        if visitor is None or owner is None or owner != visitor.owner:
            return "Reload the page: its leave to upload has run out."
        return visitor if visitor.may_work else "Who has the role reader looks, and uploads nothing."

    async def _begin(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        who = self._who(request)
        if isinstance(who, str):
            return _refused(who, 403)
        try:
            told = parse_json(await _whole(request, 1024))
            size, mark = int(told["bytes"]), str(told["mark"])
            coming = await anyio.to_thread.run_sync(self.begin, size, mark, who.owner, who.name)
        except (ValueError, KeyError, TypeError, OverflowError):
            return _refused("The upload does not say what it is.", 400)
        except (PulmoscopeError, OSError) as error:
            return _refused(_words(error), 413 if isinstance(error, SlideTooLargeError) else 507)
        return JSONResponse({"upload": coming.upload_id, "got": coming.got, "chunk": CHUNK_BYTES})

    async def _go_on(self, request: Request) -> Response:
        from starlette.responses import JSONResponse
        from starlette.responses import Response as Plain

        who, upload_id = self._who(request), request.path_params["upload_id"]
        if isinstance(who, str):
            return _refused(who, 403)
        if request.method == "DELETE":
            gone = upload_id not in self._busy and self.drop(upload_id, who)
            return Plain(status_code=204) if gone else _refused("There is no such upload.", 404)
        at, digest = request.query_params.get("at", ""), request.headers.get("x-sha256", "")
        if not re.fullmatch(r"[0-9]{1,15}", at) or not _MARK.fullmatch(digest):
            return _refused("The chunk does not say what it is.", 400)
        try:
            state = await self.add(upload_id, who.owner, int(at), digest, request.stream())
        except UsageError as error:
            return _refused(_words(error), 409)
        except OutputUnwritableError as error:
            return _refused(_words(error), 507)
        except PulmoscopeError as error:
            return _refused(_words(error), 422)
        return JSONResponse({"got": state.got, "whole": True} if isinstance(state, Arrived) else {"got": state.got})


async def _append(part: Path, at: int, most: int, digest: str, body: AsyncIterator[bytes]) -> int:
    """Writes a chunk behind byte `at`; gives its length. Raises UsageError where it is not as stated, OSError."""
    found, length = hashlib.sha256(), 0
    file = await anyio.to_thread.run_sync(_opened, part, at)
    try:
        async for piece in body:
            length += len(piece)
            if length > most:
                raise UsageError("the chunk is larger than a chunk may be", hint="choose the file again")
            found.update(piece)
            await anyio.to_thread.run_sync(file.write, piece)
        if not length or found.hexdigest() != digest:
            raise UsageError("the chunk did not come as it was sent", hint="choose the file again")
        await anyio.to_thread.run_sync(_synced, file)
        return length
    finally:
        file.close()


def _opened(part: Path, at: int) -> BinaryIO:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    file = os.fdopen(handle, "wb")
    file.truncate(at)
    file.seek(at)
    return file


def _synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


async def _whole(request: Request, most: int) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise ValueError("too long")
    return body


def _words(error: Exception) -> str:
    """What went wrong and what to do, without a path."""
    if not isinstance(error, PulmoscopeError):
        return "The upload cannot be stored."
    return f"{error.code}: {error.message}" + (f"; {error.hint}" if error.hint else "")


def _refused(text: str, status: int) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(text, status)


def _told(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:g} GB" if size_bytes >= 1 << 30 else f"{size_bytes / 2**20:g} MB"
