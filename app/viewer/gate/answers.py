"""Small pages of the gate itself, for a person whom nothing else is shown to yet: plain HTML, no script."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsi.text import plain

if TYPE_CHECKING:
    from starlette.responses import Response

# Under "no-referrer", which our pages have otherwise, a browser says "null" for where a form comes from.
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} - pulmoscope</title>
<meta name="referrer" content="same-origin">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 12vh auto; max-width: 32rem; padding: 0 1.5rem; font: 1rem/1.5 sans-serif; }}
h1 {{ font-size: 1.4rem; }}
button, .way {{ display: inline-block; margin: 0 1rem 0 0; padding: .5rem 1rem; border: 1px solid; border-radius: 8px;
  font: inherit; background: none; color: inherit; text-decoration: none; cursor: pointer; }}
</style></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""


def page(
    title: str, lines: Sequence[str], *, ways: Sequence[tuple[str, str]] = (), post: str = "", status: int = 200
) -> Response:
    """An answer of a few lines. `ways` are (words, address); `post` is where a button "Log out" is sent to."""
    from starlette.responses import HTMLResponse

    body = "".join(f"<p>{html.escape(plain(line, 400))}</p>" for line in lines)
    form = f'<form method="post" action="{html.escape(post)}"><button>Log out</button>' if post else "<div>"
    links = "".join(f'<a class="way" href="{html.escape(where)}">{html.escape(words)}</a>' for words, where in ways)
    body += f"{form}{links}{'</form>' if post else '</div>'}"
    content = _PAGE.format(title=html.escape(title), body=body)
    return HTMLResponse(content, status, headers={"Cache-Control": "no-store"})
