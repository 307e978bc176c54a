"""How the viewer looks and what Streamlit may do: its options, and the style that every page shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from app.viewer.gate.access import VISIT, VISIT_HEADER

PRIMARY = "#1F5F8B"
INK = "#1D2733"

_PRIVATE: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.allowedOrigins": [],
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "global.developmentMode": False,
    "logger.level": "error",
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,
    "secrets.files": [],
    "server.baseUrlPath": "",
    "server.corsAllowedOrigins": [],
    "server.enableAgentApi": False,
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.enableXsrfProtection": True,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 1,
    "server.runOnSave": False,
    "server.showEmailPrompt": False,
    "server.xsrfCookieSameSite": "strict",
}
# A browser that asks for dark gets it: Streamlit chooses between the two, our own style by the same question.
_SHADES = {
    "light": {"primaryColor": PRIMARY, "backgroundColor": "#FFFFFF", "secondaryBackgroundColor": "#F3F6F9",
              "textColor": INK, "linkColor": PRIMARY, "borderColor": "#D5DCE4"},
    "dark": {"primaryColor": "#7DB7E0", "backgroundColor": "#12181F", "secondaryBackgroundColor": "#1B232C",
             "textColor": "#E4EAF0", "linkColor": "#7DB7E0", "borderColor": "#37424E"},
}  # fmt: skip
_LOOK: dict[str, Any] = {
    **{f"theme.{shade}.{name}": colour for shade, look in _SHADES.items() for name, colour in look.items()},
    "theme.baseRadius": "8px",
    "theme.showWidgetBorder": True,
}


def streamlit_options(host: str, port: int, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Streamlit's options by their dotted names; they outrank any configuration file on the machine."""
    return {
        **_PRIVATE,
        **_LOOK,
        # Asked for its own address, Streamlit would look it up at an outside host.
        "browser.serverAddress": host,
        "browser.serverPort": port,
        "server.address": host,
        "server.port": port,
        "server.allowedHosts": list(names or allowed_hosts(host)),
        # Set at the door, where what a browser sends under this name is dropped.
        "server.trustedUserHeaders": {VISIT_HEADER: VISIT},
    }


def allowed_hosts(host: str, address: str | None = None) -> list[str]:
    """The names by which a browser may ask for us, that of `address` among them; any, where we listen on all addresses.

    Without such a list a web site whose name is pointed at this machine could read our pages (DNS rebinding).
    """
    told = urlsplit(address or "").hostname
    return ["*"] if host in ("0.0.0.0", "::") else sorted({host, "localhost", "127.0.0.1", *([told] if told else [])})


STYLE = """
<style>
/* Every page and element takes its colours from these; charts and chips bring their own. */
:root { --ps-ink: #1D2733; --ps-faint: #566070; --ps-line: #D5DCE4; --ps-edge: #B4BFCA; --ps-sheet: #FFFFFF;
  --ps-quiet: #EEF4F9; --ps-warm: #FFFAF2; --ps-accent: #1F5F8B; }
@media (prefers-color-scheme: dark) { :root { --ps-ink: #E4EAF0; --ps-faint: #A9B5C1; --ps-line: #37424E;
  --ps-edge: #5B6A79; --ps-sheet: #12181F; --ps-quiet: #1B232C; --ps-warm: #2A2418; --ps-accent: #7DB7E0; } }
header[data-testid="stHeader"], [data-testid="stToolbar"], [data-testid="stDecoration"] { display: none; }
[data-testid="stMainBlockContainer"] { padding: 1.1rem 2.2rem 1.5rem; max-width: 2200px; }
[data-testid="stVerticalBlock"] { gap: 0.7rem; }
[data-testid="stHeadingWithActionElements"] a { display: none; }
h1, h2, h3 { letter-spacing: -0.01em; }
.ps-brand { font-size: 1.3rem; font-weight: 700; color: var(--ps-accent); line-height: 2.4rem; white-space: nowrap; }
.ps-brand small { margin-left: .7rem; font-size: .86rem; font-weight: 400; color: var(--ps-faint); }
.ps-brand { overflow: hidden; text-overflow: ellipsis; }
.ps-brand .ps-out { margin-left: .5rem; color: var(--ps-accent); }
.ps-research { padding: .55rem .9rem; border-left: 4px solid var(--ps-accent); border-radius: 4px;
  background: var(--ps-quiet); color: var(--ps-ink); font-size: .88rem; }
.ps-synthetic { padding: .55rem .9rem; border-radius: 4px; background: #FFF3D6; border-left: 4px solid #B7791F;
  color: #5C3D06; font-weight: 600; font-size: .95rem; }
.ps-call { margin: 0; font-size: 1.75rem; font-weight: 700; line-height: 1.2; color: var(--ps-ink); }
.ps-call i { display: inline-block; width: .72em; height: .72em; margin-right: .4em; border-radius: 3px; }
.ps-chip { display: inline-block; padding: .1rem .65rem; border-radius: 999px; font-size: .82rem; font-weight: 600; }
.ps-review { background: #FDEBD3; color: #7A4504; }
.ps-done { background: #DDF1E9; color: #14573F; }
.ps-failed { background: #FBE0DF; color: #8A1C17; }
.ps-confidence { margin: .3rem 0 0; color: var(--ps-faint); font-size: .92rem; }
.ps-reason { margin: .35rem 0; padding: .55rem .8rem; border: 1px solid var(--ps-line); border-radius: 8px;
  background: var(--ps-warm); font-size: .9rem; line-height: 1.42; }
.ps-reason b { display: block; }
.ps-reason em { display: block; margin-top: .2rem; color: var(--ps-faint); font-style: normal; }
.ps-facts { width: 100%; border-collapse: collapse; font-size: .9rem; }
.ps-facts td, .ps-facts th { padding: .3rem .2rem; border: 0; border-bottom: 1px solid var(--ps-line); text-align: left;
  vertical-align: top; font-weight: 400; }
.ps-measures small { display: block; color: var(--ps-faint); }
.ps-facts th { width: 38%; color: var(--ps-faint); }
.ps-cases th { width: auto; white-space: nowrap; padding-right: 1rem; }
.ps-cases td { padding-right: 1rem; }
.ps-cases :is(td, th):nth-child(4) { text-align: right; }
.ps-cases + .ps-note { margin-top: .7rem; }
.ps-cases a, .ps-note a { color: var(--ps-accent); }
.ps-slide { margin: .5rem 0 .1rem; color: var(--ps-faint); font-size: .95rem; font-weight: 600;
  overflow-wrap: anywhere; }
.ps-section { margin: .5rem 0 .1rem; font-size: .8rem; font-weight: 700; letter-spacing: .06em; color: var(--ps-faint);
  text-transform: uppercase; }
.ps-running { background: #E0ECF8; color: #14446B; }
.ps-queued { background: #E9EDF1; color: #3D4957; }
.ps-job { display: flex; flex-wrap: wrap; gap: .3rem .7rem; align-items: baseline; font-size: .92rem; }
.ps-lead { margin: .2rem 0; color: var(--ps-ink); line-height: 1.5; }
.ps-list { margin: .2rem 0 .6rem; padding-left: 1.2rem; font-size: .92rem; line-height: 1.5; }
.ps-note { margin: 0; max-width: 1200px; color: var(--ps-faint); font-size: .88rem; line-height: 1.5; }
.ps-counts { display: flex; gap: .6rem; flex-wrap: wrap; align-items: center; font-size: .95rem; }
[data-testid="stFileUploaderFileName"] { display: none; }
[data-testid="stDownloadButton"] button { padding: .25rem .2rem; }
[data-testid="stDownloadButton"] p { font-size: .84rem; }
.st-key-failure-downloads [data-testid="stDownloadButton"] button { padding: .25rem .8rem; }
.ps-spot { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: .55rem .9rem; border-radius: 8px;
  background: var(--ps-quiet); font-size: .9rem; }
.ps-pie div { display: flex; align-items: baseline; gap: .5rem; margin: .25rem 0; font-size: .92rem; }
.ps-pie i { flex: none; width: .8em; height: .8em; border-radius: 2px; }
.ps-pie b { min-width: 3.4em; text-align: right; font-variant-numeric: tabular-nums; }
.ps-pie span { overflow-wrap: anywhere; }
.ps-evidence { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem .8rem; max-width: 468px; margin-top: .3rem; }
.ps-evidence figure { margin: 0; }
.ps-evidence img { display: block; width: 100%; aspect-ratio: 1; border: 1px solid var(--ps-line); border-radius: 8px; }
.ps-evidence figcaption { margin-top: .25rem; font-size: .84rem; color: var(--ps-faint); }
.ps-evidence p { grid-column: 1 / -1; margin: .15rem 0 .4rem; color: var(--ps-faint); font-size: .88rem;
  line-height: 1.42; }
.ps-evidence figcaption i { display: inline-block; width: 3.2em; height: .7em; margin: 0 .35em; border-radius: 2px; }
.ps-person, .ps-signature { margin: 0; font-size: .88rem; opacity: .82; }
.ps-signature { padding: .4rem 0 .1rem; }
.ps-signed::before { content: "\\2713"; margin-right: .45em; font-weight: 700; color: #1F8A5F; }
.ps-said { margin: .3rem 0; padding: .5rem .8rem; border-left: 3px solid var(--ps-accent); border-radius: 4px;
  background: color-mix(in srgb, currentColor 5%, transparent); font-size: .9rem; line-height: 1.42; }
.ps-said b, .ps-said span, .ps-said em, .ps-said q { display: block; overflow-wrap: anywhere; }
.ps-said em { opacity: .75; font-style: normal; font-size: .86rem; }
.ps-versions caption { padding: .2rem 0; font-weight: 600; text-align: left; }
.ps-versions code { font-size: .72rem; overflow-wrap: anywhere; }
.st-key-decision, .st-key-calls { flex-wrap: wrap; gap: .5rem; }
.st-key-person { gap: .2rem; }
@media (prefers-color-scheme: dark) { .stApp button[kind="primary"]:enabled p { color: #12181F; } }
.ps-spot i { display: inline-block; width: .7em; height: .7em; margin-right: .4em; border-radius: 2px; }
</style>
"""
