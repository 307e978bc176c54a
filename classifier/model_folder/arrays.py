"""Arrays in a model's folder: npz files that can hold plain numbers, and nothing else."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.model_folder.files import MIB
from wsi.errors import ModelError

MAX_UNPACKED_BYTES = 256 * MIB


def unpack_arrays(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of an npz. Raises ModelError on anything but plain numbers of a bounded size."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise ModelError(f"{name} would unpack to more than {MAX_UNPACKED_BYTES // MIB} MiB")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except ModelError:
        raise
    except Exception as error:  # zipfile, zlib and numpy's header parser raise many kinds on a broken file
        raise ModelError(f"{name} is not a plain npz file", hint="get the model again from its maker") from error


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An npz of `arrays`. The same arrays always give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asarray(arrays[name]), allow_pickle=False)
            # ZipInfo's default date is fixed; the clock's would change the SHA-256.
            info = zipfile.ZipInfo(f"{name}.npy")
            archive.writestr(info, entry.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
