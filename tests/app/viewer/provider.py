"""A small OpenID provider of our own on this machine: discovery, authorize, token, keys, end of session. It signs as a
real one does (RS256), and lies where a test asks it to."""

import base64
import hashlib
import hmac
import html
import json
import secrets
import threading
import time
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "pulmoscope", "the client's secret: %/&"
PEOPLE = {
    "anna": {"name": "Anna Reviewer", "groups": ["pathologists"]},
    "ben": {"name": "Ben Reviewer", "groups": ["pathologists", "others"]},
    "rita": {"name": "Rita Reader", "groups": ["residents"]},
    "adam": {"name": "Adam Admin", "groups": ["it", "residents"]},
    "nora": {"name": "Nora <b>Nobody</b>", "groups": ["others"]},
}


class Provider:
    """`lie` changes the claims of the next tokens; `sign` signs them instead of the right key."""

    def __init__(self):
        self.key, self.other = _keys()
        self.lie, self.sign = {}, None
        self.codes, self.tokens_asked, self.seen = {}, 0, []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *told: _Answer(self, *told))
        # Another site than 127.0.0.1 for a browser: cookies are withheld between the two as between real hosts.
        self.issuer = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def metadata(self):
        places = {"authorization": "authorize", "token": "token", "end_session": "end"}
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            **{f"{name}_endpoint": f"{self.issuer}/{place}" for name, place in places.items()},
            "code_challenge_methods_supported": ["S256"],
        }

    def code_for(self, who, asked):
        code = secrets.token_urlsafe(16)
        self.codes[code] = (who, asked)
        return code

    def token(self, who, nonce, **lie):
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": f"number-of-{who}", "iat": now, "exp": now + 300, "nonce": nonce,
            **PEOPLE[who], **self.lie, **lie,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.sign is not None:
            return self.sign(claims)
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def exchange(self, body, header):
        """The answer of the token endpoint: (status, object)."""
        self.tokens_asked += 1
        scheme, _, pair = header.partition(" ")
        client, _, secret = base64.b64decode(pair or "").decode().partition(":")
        if (scheme, unquote(client), unquote(secret)) != ("Basic", CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        who, asked = self.codes.pop(body.get("code", ""), (None, {}))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(body.get("code_verifier", "").encode()).digest())
        proved = challenge.rstrip(b"=").decode() == asked.get("code_challenge")
        if who is None or not proved or body.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": self.token(who, asked["nonce"])}


def unsigned(claims):
    """As the algorithm "none" has it."""
    return f"{_parts({'alg': 'none', 'typ': 'JWT'}, claims)}."


def signed_with_the_public_key(key):
    """The public key taken for a shared secret, an old trick."""

    def sign(claims):
        signed = _parts({"alg": "HS256", "kid": "one"}, claims)
        return f"{signed}.{_told(hmac.digest(key.as_pem(private=False), signed.encode(), 'sha256'))}"

    return sign


def _parts(*parts):
    return ".".join(_told(json.dumps(part).encode()) for part in parts)


def _told(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@lru_cache
def _keys():
    return tuple(RSAKey.generate_key(2048, {"kid": "one"}) for _ in range(2))


class _Answer(BaseHTTPRequestHandler):
    def __init__(self, provider, *told):
        self.provider = provider
        super().__init__(*told)

    def log_message(self, *told):
        pass

    def do_GET(self):
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        self.provider.seen.append(self.path)
        if place.path == "/.well-known/openid-configuration":
            self._tell(200, self.provider.metadata)
        elif place.path == "/keys":
            self._tell(200, {"keys": [self.provider.key.as_dict(private=False)]})
        elif place.path == "/authorize":
            self._show(asked)
        elif place.path == "/chosen":
            words = {"code": self.provider.code_for(asked["who"], asked), "state": asked["state"]}
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(words)}")
            self.end_headers()
        else:
            self._send(200, "text/html", b"<title>Provider</title><p>Logged out of the provider.</p>")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        told = {name: values[0] for name, values in parse_qs(body).items()}
        self._tell(*self.provider.exchange(told, self.headers.get("Authorization", "")))

    def _show(self, asked):
        """Who are you? A link for each person, and one that says no."""
        links = "".join(
            f'<p><a id="{who}" href="/chosen?{html.escape(urlencode({**asked, "who": who}))}">{who}</a></p>'
            for who in PEOPLE
        )
        no = urlencode({"error": "access_denied", "state": asked["state"]})
        links += f'<p><a id="no" href="{html.escape(asked["redirect_uri"])}?{html.escape(no)}">no</a></p>'
        self._send(200, "text/html", f"<!doctype html><title>Provider</title>{links}".encode())

    def _tell(self, status, told):
        self._send(status, "application/json", json.dumps(told).encode())

    def _send(self, status, kind, content):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
