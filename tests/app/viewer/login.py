"""What the tests of the login share: a browser of a few lines that keeps cookies and knocks at the door."""

from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse

from app.review.people import Role
from app.viewer.gate.access import VISIT_HEADER, Door
from app.viewer.gate.login import LoginGate
from app.viewer.gate.login_file import LoginSettings
from app.viewer.gate.visitors import visitor_of
from tests.app.viewer.apart import run_apart
from tests.app.viewer.provider import CLIENT, SECRET

HOST = "127.0.0.1:8501"
OWN = {"origin": f"http://{HOST}"}
ROLES = {
    Role.ADMIN: frozenset({"it"}),
    Role.REVIEWER: frozenset({"pathologists"}),
    Role.READER: frozenset({"residents"}),
}


def settings_for(provider, address=f"http://{HOST}", **more):
    return LoginSettings(provider.issuer, CLIENT, address, SECRET, role_claim="groups", roles=ROLES, **more)


async def inside(scope, receive, send):
    """What lies behind the door: says who it was told that asks."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    visit = [value.decode() for name, value in scope["headers"] if name.decode() == VISIT_HEADER]
    who = visitor_of(scope)
    await PlainTextResponse(f"inside: {who.name}, {who.role}, {' '.join(visit)}")(scope, receive, send)


class Browser:
    """Keeps cookies, as they are set, over what it asks."""

    def __init__(self, gate, app=inside):
        self.door, self.cookies, self.set = Door(app, gate), {}, []

    def ask(self, path, method="GET", *, kind="http", body=b"", receive=None, **headers):
        """(status, headers, text)."""
        sent = []
        told = {"host": HOST, "sec-fetch-mode": "navigate", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.cookies:
            told.setdefault("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        place, _, query = path.partition("?")
        scope = {
            "type": kind, "method": method, "path": place, "query_string": query.encode(), "scheme": "http",
            "root_path": "", "headers": [(name.encode(), value.encode("latin-1")) for name, value in told.items()],
        }  # fmt: skip

        async def heard():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        async def run():
            await self.door(scope, receive or heard, send)

        run_apart(run)
        if kind == "websocket":
            return [message["type"].partition(".")[2] for message in sent], {}, ""
        found = {}
        for name, value in sent[0]["headers"]:
            if name == b"set-cookie":
                self._keep(value.decode())
            found[name.decode()] = value.decode()
        text = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], found, text.decode("utf-8", "replace")

    def _keep(self, line):
        self.set.append(line)
        pair, *flags = line.split("; ")
        name, _, value = pair.partition("=")
        if "Max-Age=0" in flags:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def sent_away(self, path="/"):
        """What the provider is asked for a visit of `path`."""
        status, headers, _ = self.ask(path)
        assert status == 303, headers
        return {name: values[0] for name, values in parse_qs(urlsplit(headers["location"]).query).items()}

    def come_back(self, code, state):
        return self.ask(f"/oauth2callback?code={code}&state={state}", sec_fetch_site="cross-site")

    def log_in(self, provider, who, path="/"):
        asked = self.sent_away(path)
        return self.come_back(provider.code_for(who, asked), asked["state"])


def gate_for(provider, **more):
    return LoginGate(settings_for(provider, **more))
