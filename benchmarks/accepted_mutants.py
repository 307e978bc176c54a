"""Mutants that nobody need kill, each with the reason: `benchmarks.mutants` reads them, does not run them, and tells
them apart. By module: (the line as it stands in the source, what the mutant puts there or "*" for all of it, why).
"""

_CLOEXEC = "Python opens every file so that child processes do not inherit it; the flag says it once more"
_ZERO = "os.O_RDONLY is 0"
_PAUSE = "how long a loop sleeps between two looks: a little longer does the same"
_EDGE_OF_TIME = "two readings of a clock that are equal to the nanosecond"

ACCEPTED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "app/review/proof.py": (
        (
            'if reading.content_sha256 != made.content_sha256 or last is None or last.number != row["decision_id"]:',
            "reading.content_sha256 != made.content_sha256 or last.number != row['…",
            "what was signed holds a decision, so without one its digest is another",
        ),
    ),
    "app/ledger/locks.py": (
        ("os.ftruncate(handle, 0)", "1", "the text that is written there next has a byte or more"),
        ("_LOOK_EVERY_S = 0.02", "*", _PAUSE),
        ("if waited_s > TOLD_AFTER_S and not told:", "waited_s >= TOLD_AFTER_S", _EDGE_OF_TIME),
        ("if waited_s > PATIENCE_S:", "waited_s >= PATIENCE_S", _EDGE_OF_TIME),
        (
            'out_dir / LOCKS / f"{slide_id}.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK',
            "os.O_CLOEXEC",
            _ZERO,
        ),
        (
            "folder = os.open(out_dir / LOCKS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)",
            "os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW",
            _CLOEXEC,
        ),
        (
            "folder = os.open(out_dir / LOCKS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)",
            "os.O_DIRECTORY",
            _ZERO,
        ),
        (
            "flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK",
            "os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW",
            "a pipe that is opened to read and write is not waited for on Linux; the flag is for other systems",
        ),
        (
            "flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK",
            "os.O_RDWR | os.O_CREAT",
            _CLOEXEC,
        ),
    ),
    "wsi/files/writing.py": (
        (
            "_NAME_KEPT = 40  # characters of the name, for who looks into the folder; a name may be 255 bytes long",
            "41",
            "of 255 bytes enough is left for the rest of the name",
        ),
        (
            'partial = path.with_name(f".{path.name[:_NAME_KEPT]}.{secrets.token_hex(8)}.partial")',
            "9",
            "nine bytes by chance are foretold no better",
        ),
        (
            "handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)",
            "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW",
            _CLOEXEC,
        ),
        ("_sync(path, os.O_RDONLY | os.O_NOFOLLOW)", "os.O_NOFOLLOW", _ZERO),
        ("_sync(folder, os.O_RDONLY | os.O_DIRECTORY)", "os.O_DIRECTORY", _ZERO),
        ("handle = os.open(path, flags | os.O_CLOEXEC)", "flags", _CLOEXEC),
    ),
    "app/ledger/lines.py": (
        (
            'torn = end > 0 and os.pread(handle, 1, end - 1) != b"\\n"',
            "2",
            "no more than one byte is left to read there",
        ),
        ('return tail.removesuffix(b"\\n").rsplit(b"\\n", 1)[-1] if tail else None', "2", "the last part is the same"),
        (
            "flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK",
            "os.O_RDWR | os.O_APPEND | os.O_CREAT",
            _CLOEXEC,
        ),
        (
            "flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK",
            "os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW",
            "a pipe that is opened to read and write is not waited for on Linux; the flag is for other systems",
        ),
    ),
    "app/ledger/audit.py": (("ends_open = False", "True", "it is told of each line before it is asked for"),),
    "app/ledger/records.py": (
        (
            "probabilities=dict(zip(result.classes, decision.probabilities, strict=True)),",
            "False",
            "both have an entry a class, whoever made them",
        ),
        (
            "tiles=None if finite(tiles) is None else round(tiles or 0),",
            "tiles",
            "where it is None the other branch is taken; the 0 is for the type checker",
        ),
    ),
    "app/batch/pseudonyms.py": (
        ("_LOOKS = 20", "*", _PAUSE),
        ("time.sleep(0.1)", "0.19", _PAUSE),
        (
            "if len(row) == 2 and tuple(row) != _HEADER:",
            "len(row) == 2",
            "the header would be learned as a slide of the path `original`; every path is absolute",
        ),
        (
            "handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)",
            "os.O_WRONLY | os.O_CREAT | os.O_EXCL",
            _CLOEXEC,
        ),
        (
            "handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)",
            "os.O_RDWR | os.O_CREAT | os.O_APPEND",
            _CLOEXEC,
        ),
        (
            "handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)",
            "os.O_RDWR | os.O_CREAT",
            "under its lock the map was read to the end before anything is written, so it is written there",
        ),
    ),
    "aggregate/pool.py": (
        ("p = np.clip(probabilities.astype(np.float64), 1e-12, 1.0)", "1.9", "no probability is above 1"),
        (
            "p = np.clip(probabilities.astype(np.float64), 1e-12, 1.0)",
            "1.9e-12",
            "any small number keeps the logarithm finite",
        ),
        ("for down in range(-reach, reach + 1):", "2", "a step beyond the reach is not nearer than the radius"),
        ("for right in range(-reach, reach + 1):", "2", "a step beyond the reach is not nearer than the radius"),
    ),
    "aggregate/store.py": (
        (
            '"probabilities": {name: finite(p) for name, p in '
            "zip(result.classes, decision.probabilities, strict=True)},",
            "False",
            "both have an entry a class, whoever made them",
        ),
    ),
    "aggregate/doubts.py": (
        ("rim = (quality & np.uint8(TileQuality.EDGE)) > 0", "1", "the flag is 8: nothing lies between"),
    ),
    "wsi/metadata.py": (("Metadata = dict[str, str | float | int | bool]", "*", "a type, which no code looks at"),),
}
