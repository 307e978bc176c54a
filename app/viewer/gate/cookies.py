"""Cookies as a browser sends them and as we set them. Knows nothing of what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from starlette.datastructures import Headers


def cookie_values(headers: Headers, name: str) -> list[str]:
    """Every value that was sent under a name: a browser may hold several, of other paths."""
    from starlette.requests import cookie_parser

    return [value for line in headers.getlist("cookie") if (value := cookie_parser(line).get(name)) is not None]


def cookie_line(
    name: str,
    value: str,
    *,
    same_site: Literal["strict", "lax"],
    secure: bool = False,
    max_age_s: int | None = None,
) -> str:
    """What a `Set-Cookie` header says: out of the reach of scripts, and gone with the browser where no age is given."""
    words = [f"{name}={value}", "HttpOnly", "Path=/", f"SameSite={same_site}"]
    words += ["Secure"] if secure else []
    return "; ".join([*words, *([] if max_age_s is None else [f"Max-Age={max_age_s}"])])
