"""Mutants that nobody need kill, each with the reason: `benchmarks.mutants` reads them, does not run them, and tells
them apart. By module: (the line as it stands in the source, what the mutant puts there or "*" for all of it, why).
"""

_CLOEXEC = "Python opens every file so that child processes do not inherit it; the flag says it once more"
_ZERO = "os.O_RDONLY is 0"
_PAUSE = "how long a loop sleeps between two looks: a little longer does the same"
_EDGE_OF_TIME = "two readings of a clock that are equal to the nanosecond"

ACCEPTED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "app/ledger/locks.py": (
        ("_LOOK_EVERY_S = 0.02", "*", _PAUSE),
        ("if waited_s > TOLD_AFTER_S and not told:", "waited_s >= TOLD_AFTER_S", _EDGE_OF_TIME),
        ("if waited_s > PATIENCE_S:", "waited_s >= PATIENCE_S", _EDGE_OF_TIME),
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
}
