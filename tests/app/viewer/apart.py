"""Asynchronous code of a test on a thread of its own: where browser tests ran before, Playwright has this one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

Result = TypeVar("Result")


def run_apart(work: Callable[[], Awaitable[Result]]) -> Result:
    """What `work()` gives, awaited."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, work).result()
