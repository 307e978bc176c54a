"""An identity token: who signed it, for whom, for how long, for which login. Nothing of it counts before that.

As OpenID Connect Core 1.0, 3.1.3.7, asks. joserfc checks signatures; `login` of setup.cfg's extras brings it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from wsi.errors import LoginError, UsageError

# Of a public key only: with "none", or a secret for a key, anybody who knows the public key could sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
_LEEWAY_S = 60
_MAX_LETTERS = 64 << 10
_BAD = "the identity that the login service gave is not valid"
_AGAIN = "log in again"


def check_library() -> None:
    """Raises UsageError where what checks signatures is not installed."""
    try:
        import joserfc  # noqa: F401
    except ImportError:
        raise UsageError("a login needs joserfc", hint="pip install -e '.[login]'") from None


def read_identity(
    token: str, keys: Callable[..., Mapping[str, Any]], issuer: str, client_id: str, nonce: str
) -> Mapping[str, Any]:
    """The claims of a token that holds. `keys` gives the provider's JWK set, with `anew=True` a fresh one: a provider
    changes its keys now and then. Raises LoginError."""
    if len(token) > _MAX_LETTERS:
        raise LoginError(_BAD, hint=_AGAIN)
    try:
        claims = _signed(token, keys())
    except LoginError:
        claims = _signed(token, keys(anew=True))
    _check_claims(claims, issuer, client_id, nonce)
    return claims


def _signed(token: str, key_set: Mapping[str, Any]) -> Mapping[str, Any]:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        # Public keys that sign, and no others: a set may hold keys of other uses.
        fit = [key for key in key_set["keys"] if key.get("use", "sig") == "sig" and key.get("kty") != "oct"]
        return jwt.decode(token, KeySet.import_key_set({"keys": fit}), algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise LoginError(f"{_BAD}: its signature", hint=_AGAIN) from None


def _check_claims(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str) -> None:
    from joserfc.errors import JoseError
    from joserfc.jwt import JWTClaimsRegistry

    wanted = {name: {"essential": True} for name in ("exp", "iat", "sub")}
    registry = JWTClaimsRegistry(
        leeway=_LEEWAY_S,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        **wanted,  # type: ignore[arg-type]
    )
    try:
        registry.validate(dict(claims))
    except (JoseError, TypeError, ValueError) as error:
        claim = getattr(error, "claim", "") or "time"
        raise LoginError(f"{_BAD}: its {claim}", hint=_AGAIN) from None
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise LoginError(f"{_BAD}: it is of another login", hint=_AGAIN)
    parties = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims.get("azp", client_id) != client_id or (len(parties) > 1 and "azp" not in claims):
        raise LoginError(f"{_BAD}: it was made for another program", hint=_AGAIN)
