"""Every error a user can meet, as one tree; each leaf carries a stable `code`.

    PulmoscopeError
    |-- UsageError                 wrong-usage           (exit code 2)
    |-- OutputBusyError            output-busy           (exit code 75)
    |-- SlideError                 one slide cannot be processed, the others go on
    |   |-- NotAFileError          not-a-file
    |   |-- EmptyFileError         empty-file
    |   |-- UnreadableFileError    unreadable-file       (permissions, vanished disk)
    |   |-- UnsupportedSlideError  unsupported-format    (nothing here reads it)
    |   |-- UnsafeArchiveError     unsafe-archive        (paths, links or sizes that no slide needs)
    |   |-- CorruptSlideError      corrupt-slide         (opened, then broke)
    |   |-- SlideChangedError      slide-changed         (replaced or written to while it was read)
    |   |-- SlideTooLargeError     slide-too-large       (would not fit in memory)
    |   |-- MppMissingError        mpp-missing
    |   |-- MppImplausibleError    mpp-implausible
    |   |-- MppTooCoarseError      mpp-too-coarse
    |   |-- NoTissueError          no-tissue
    |   |-- MaskMissingError       mask-missing          (own masks are given, and none is this slide's)
    |   |-- BadMaskError           bad-mask              (a person's mask that is none, or of another slide)
    |   |-- NoColourError          no-colour             (a grey picture)
    |   |-- IdentifyingMetadataError  identifying-metadata  (a field may tell who the patient is)
    |   |-- SlideCrashedError      crashed               (the reading process died)
    |   `-- SlideTimeoutError      timed-out
    |-- ModelError                 model-invalid         (exit code 2)
    |   |-- ModelNotFoundError     model-not-found
    |   `-- ModelDigestError       model-altered         (a file does not match the card)
    |-- SiteError                  site-invalid          (a site profile; exit code 2)
    |   |-- SiteNotFoundError      site-not-found
    |   `-- SiteModelError         site-of-other-model
    |-- DossierError               dossier-invalid       (of a laboratory's proof; exit code 2)
    |   |-- DossierAlteredError    dossier-altered
    |   `-- NotCommissionedError   not-commissioned      (it failed, lapsed, or covers something else)
    |-- DatasetError               dataset-invalid
    |-- EngineError                engine-failed         (no Dask scheduler answers, or it went away)
    |-- LoginError                 login-failed          (the provider, or what it said of a person)
    |-- ReviewError                review-unreadable     (the records of what people decided)
    |   |-- ReviewConflictError    review-conflict       (somebody else was faster)
    |   |-- SignedError            review-signed         (locked; only an addendum may be added)
    |   `-- NotAllowedError        not-allowed           (the role does not cover it)
    `-- StoreError                 result-invalid
        |-- ResultAlteredError     result-altered
        `-- OutputUnwritableError  output-unwritable     (read-only, full)

A message says what was wrong and where; `hint` says what to do. `str(error)` is the line a user sees:
``mpp-missing: slide.tif tells no pixel size; give --mpp or a manifest``.
"""

from __future__ import annotations

from wsi.text import visible


class PulmoscopeError(Exception):
    """Root of the tree. `code` is stable and may be tested for by programs."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    @property
    def detail(self) -> str:
        """The message with its hint, without the code: one line, with the line ends and the like of names escaped."""
        return visible(f"{self.message}; {self.hint}" if self.hint else self.message)


class UsageError(PulmoscopeError):
    code = "wrong-usage"
    exit_code = 2


class OutputBusyError(PulmoscopeError):
    code = "output-busy"
    exit_code = 75


class SlideError(PulmoscopeError):
    code = "slide-error"


class NotAFileError(SlideError):
    code = "not-a-file"


class EmptyFileError(SlideError):
    code = "empty-file"


class UnreadableFileError(SlideError):
    code = "unreadable-file"


class UnsupportedSlideError(SlideError):
    code = "unsupported-format"


class UnsafeArchiveError(SlideError):
    code = "unsafe-archive"


class CorruptSlideError(SlideError):
    code = "corrupt-slide"


class SlideChangedError(SlideError):
    code = "slide-changed"


class SlideTooLargeError(SlideError):
    code = "slide-too-large"


class MppMissingError(SlideError):
    code = "mpp-missing"


class MppImplausibleError(SlideError):
    code = "mpp-implausible"


class MppTooCoarseError(SlideError):
    code = "mpp-too-coarse"


class NoTissueError(SlideError):
    code = "no-tissue"


class MaskMissingError(SlideError):
    code = "mask-missing"


class BadMaskError(SlideError):
    code = "bad-mask"


class NoColourError(SlideError):
    code = "no-colour"


class IdentifyingMetadataError(SlideError):
    code = "identifying-metadata"


class SlideCrashedError(SlideError):
    code = "crashed"


class SlideTimeoutError(SlideError):
    code = "timed-out"


class ModelError(PulmoscopeError):
    code = "model-invalid"
    exit_code = UsageError.exit_code


class ModelNotFoundError(ModelError):
    code = "model-not-found"


class ModelDigestError(ModelError):
    code = "model-altered"


class SiteError(PulmoscopeError):
    code = "site-invalid"
    exit_code = UsageError.exit_code


class SiteNotFoundError(SiteError):
    code = "site-not-found"


class SiteModelError(SiteError):
    code = "site-of-other-model"


class DossierError(PulmoscopeError):
    code = "dossier-invalid"
    exit_code = UsageError.exit_code


class DossierAlteredError(DossierError):
    code = "dossier-altered"


class NotCommissionedError(DossierError):
    code = "not-commissioned"


class DatasetError(PulmoscopeError):
    code = "dataset-invalid"


class EngineError(PulmoscopeError):
    code = "engine-failed"


class LoginError(PulmoscopeError):
    code = "login-failed"


class ReviewError(PulmoscopeError):
    code = "review-unreadable"


class ReviewConflictError(ReviewError):
    code = "review-conflict"


class SignedError(ReviewError):
    code = "review-signed"


class NotAllowedError(ReviewError):
    code = "not-allowed"


class StoreError(PulmoscopeError):
    code = "result-invalid"


class ResultAlteredError(StoreError):
    code = "result-altered"


class OutputUnwritableError(StoreError):
    code = "output-unwritable"
