"""What one running viewer serves: its folders and its tokens. One a process, set before the first page is drawn."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aggregate.result import SlideResult
from app.ledger.cases.rows import CaseRow, case_rows
from app.review.reviews import Reviews, open_reviews
from app.slides.files import SlideFile, find_slide_file, slide_trouble
from app.viewer.catalog import UPLOADS, Entry, find_entry, load_result, look
from app.viewer.explain.ask import Explainer
from app.viewer.exports.route import Exports
from app.viewer.gate.access import Gate
from app.viewer.gate.launch import LaunchGate, LaunchKey
from app.viewer.gate.login import LoginGate
from app.viewer.gate.login_file import LoginSettings, read_login
from app.viewer.gate.visitors import Visitor
from app.viewer.jobs.batches import Batches
from app.viewer.jobs.queue import Queue
from app.viewer.tiles.route import TileServer
from app.viewer.tiles.tokens import Grant, Signer
from app.viewer.uploads.incoming import DEFAULT_MAX_BYTES, Incoming
from app.viewer.uploads.owners import ownership
from app.viewer.uploads.stored import is_upload_id
from classifier.model_folder.card import CARD_FILE
from classifier.model_folder.files import read_card
from classifier.model_folder.find import DEFAULT_MODEL, PACKAGED
from wsi.errors import PulmoscopeError
from wsi.process.child import python_command

MOUNT = "/viewer"


@dataclass(frozen=True)
class Site:
    """`results` holds stored results, `slides` the folders where their slides may lie."""

    results: Path
    slides: tuple[Path, ...] = ()
    key: LaunchKey = field(default_factory=LaunchKey)
    signer: Signer = field(default_factory=lambda: Signer(secrets.token_bytes(32)))
    program: tuple[str, ...] = field(default_factory=lambda: python_command("app.viewer.jobs.child:main"))
    """The command line that a job's process has, without its words."""
    models: tuple[Path, ...] = ()
    """Folders of models, beside the packaged ones, that may explain the results they made, and make new ones."""
    profiles: tuple[Path, ...] = ()
    """Site profiles that a job may be given."""
    max_upload_bytes: int = DEFAULT_MAX_BYTES
    explainer: Explainer = field(default_factory=Explainer)

    database: str | None = None
    """Address of the PostgreSQL that holds what people decide; None: a file beside the results."""
    second_reading: bool = False
    coverage: bool = True
    """Whether what of the tissue was on the screen is kept with a signature."""
    login: LoginSettings | None = None
    """Who may come in, where names come from a login; None: whoever holds the key of the launch."""

    @cached_property
    def gate(self) -> Gate:
        """Says who gets in, and who a visit belongs to."""
        return LaunchGate(self.key) if self.login is None else LoginGate(self.login)

    @cached_property
    def reviews(self) -> Reviews:
        """What people decided on the results."""
        return open_reviews(self.results, self.database, second_reading=self.second_reading)

    @property
    def uploads(self) -> Path:
        return self.results / UPLOADS

    @cached_property
    def batches(self) -> Batches:
        """How far the runs of the results folder are."""
        return Batches(self.results)

    @cached_property
    def tiles(self) -> TileServer:
        """The pixels of slides, those that were asked for lately kept."""
        return TileServer(self.signer, self.locate, self.may_see)

    @cached_property
    def incoming(self) -> Incoming:
        """Uploads on their way."""
        return Incoming(self.uploads, self._owner_of, self.max_upload_bytes)

    @cached_property
    def queue(self) -> Queue:
        """The jobs that were started from a browser."""
        return Queue(self.results, self.program)

    @cached_property
    def exports(self) -> Exports:
        """What people take out as ZIPs."""
        told = {"database": self.database, "second_reading": self.second_reading}
        places = {"results": str(self.results), "folders": [str(folder) for folder in self.slides]}
        return Exports(self.entry, lambda: {**places, **told})

    @property
    def packaged_models(self) -> list[Path]:
        """The folders of the models that come with us, the usual one first."""
        return sorted(_packaged(), key=lambda folder: (folder.name != DEFAULT_MODEL, folder.name))

    def _owner_of(self, token: str) -> str | None:
        grant = self.signer.verify(token, time.time())
        return grant.version if grant is not None and grant == upload_grant(grant.version) else None

    def entry(self, slide_id: str, who: Visitor) -> Entry | None:
        """The slide of an id that may come from anywhere; None where there is none that `who` may know of."""
        entry = find_entry(self.results, slide_id)
        return entry if entry is not None and may_see(entry, who) else None

    def entries(self, who: Visitor) -> dict[str, Entry]:
        """All slides that `who` may know of, by id."""
        return {name: one for name, one in look(self.results).entries.items() if may_see(one, who)}

    def cases(self, who: Visitor, token: str = "") -> list[CaseRow]:
        """All cases, or the one of a token that may come from anywhere; slides hidden from `who` are missing."""
        return case_rows(self.results, {name: one.row for name, one in self.entries(who).items()}, token)

    def may_see(self, slide_id: str, who: Visitor) -> bool:
        """Whether pixels of this slide are for `who`; a slide that is no upload is for everybody who got in."""
        return not is_upload_id(slide_id) or self.entry(slide_id, who) is not None

    def slide_file(self, entry: Entry, result: SlideResult) -> SlideFile | None:
        """The slide of a result, where it is at hand."""
        return find_slide_file(entry, result.slide, self.slides)

    def slide_trouble(self, entry: Entry, result: SlideResult) -> str:
        """The code of what is wrong with the slide of a result that is there and cannot be opened, else empty."""
        return slide_trouble(entry, result.slide)

    def model_folder(self, sha256: str) -> Path | None:
        """The folder of the model whose card has this digest, None where it is not at hand."""
        for folder in (*_packaged(), *self.models):
            with suppress(PulmoscopeError):
                if read_card(folder).digest == sha256:
                    return folder
        return None

    def tiles_path(self, slide_id: str, file: SlideFile) -> str:
        """Where the browser finds the slide's tiles, the token included."""
        return f"{MOUNT}/tiles/{self.signer.sign(Grant(slide_id, file.version), time.time())}"

    def locate(self, grant: Grant) -> SlideFile | None:
        """The file of a grant; None where the slide left the catalog, or its file is gone or another by now."""
        entry = find_entry(self.results, grant.slide_id)
        if entry is None:
            return None
        try:
            file = self.slide_file(entry, load_result(entry))
        except PulmoscopeError:
            return None
        return file if file is not None and file.version == grant.version else None


def may_see(entry: Entry, who: Visitor) -> bool:
    """Whether `who` may know of a slide: an upload is its owner's, until it is shared."""
    if not entry.uploaded:
        return True
    owned = ownership(entry.folder)
    return who.sees(owned.owner, shared=owned.shared)


def upload_grant(owner: str) -> Grant:
    """Leave to upload, as this owner. No slide's id begins with "~"."""
    return Grant("~upload", owner)


def upload_size(size_bytes: int) -> str:
    """A bound on uploads in words."""
    return f"{size_bytes / 2**30:g} GB" if size_bytes >= 1 << 30 else f"{size_bytes / 2**20:g} MB"


_current: list[Site] = []


def install(site: Site) -> None:
    """Makes `site` the one that pages show."""
    _current[:] = [site]


def current() -> Site:
    """The installed site. Raises RuntimeError before `install`."""
    if not _current:
        raise RuntimeError("the viewer's page runs only inside `pulmoscope app`")
    return _current[0]


def _packaged() -> list[Path]:
    return [path.parent for path in sorted(PACKAGED.glob(f"*/{CARD_FILE}"))]


def default_site(results: Path, slides: Sequence[Path], **more: Any) -> Site:
    """A site over existing or future folders; paths are made absolute, so that a change of folder changes nothing. A
    `login_file` is read. Raises UsageError."""
    file = more.pop("login_file", None)
    if file is not None:
        more["login"] = read_login(file)
    for name in ("models", "profiles"):
        more[name] = tuple(path.absolute() for path in more.get(name, ()))
    return Site(results.absolute(), tuple(path.absolute() for path in slides), **more)
