"""The report of a case as HTML: one file that needs nothing else."""

from __future__ import annotations

import base64

from app.reports.case.content import CaseContent
from app.reports.html_report import environment


def render_html(content: CaseContent) -> bytes:
    """UTF-8 HTML."""
    pictures = {
        one.slide_id: f"data:image/png;base64,{base64.b64encode(one.picture).decode('ascii')}"
        for one in content.slides
        if one.picture
    }
    page = environment().get_template("case.html")
    return page.render(report=content, pictures=pictures).encode("utf-8", "replace")
