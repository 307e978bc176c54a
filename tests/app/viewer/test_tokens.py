"""Leave to fetch a slide's pixels: only what we signed, only until it expires."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.viewer.tiles.tokens import LIFETIME_S, Grant, Signer

NOW_S = 1_800_000_000.0
SIGNER = Signer(b"k" * 32)
GRANT = Grant("slide-1", "0123456789abcdef")


@given(st.text(), st.from_regex(r"[0-9a-f]{16}", fullmatch=True))
def test_a_token_gives_back_its_grant(slide_id, version):
    grant = Grant(slide_id.encode("utf-8", "ignore").decode(), version)
    assert SIGNER.verify(SIGNER.sign(grant, NOW_S), NOW_S) == grant


def test_a_token_expires():
    token = SIGNER.sign(GRANT, NOW_S)
    assert SIGNER.verify(token, NOW_S + LIFETIME_S - 1) == GRANT
    assert SIGNER.verify(token, NOW_S + LIFETIME_S + 3600) is None


def test_a_page_drawn_again_within_the_hour_asks_for_the_same_addresses():
    on_the_hour = NOW_S - NOW_S % 3600
    assert SIGNER.sign(GRANT, on_the_hour) == SIGNER.sign(GRANT, on_the_hour + 3599)


def test_another_server_does_not_accept_it():
    assert Signer(b"x" * 32).verify(SIGNER.sign(GRANT, NOW_S), NOW_S) is None


@given(st.data())
def test_a_changed_token_is_refused(data):
    token = SIGNER.sign(GRANT, NOW_S)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    changed = token[:place] + letter + token[place + 1 :]
    # The last letter of unpadded base64 holds bits that count for nothing.
    assert changed == token or SIGNER.verify(changed, NOW_S) is None


@pytest.mark.parametrize("token", ["", ".", "a.b", "é.é", "AAAA", "A" * 5000, "=.=", "\0"])
def test_nonsense_is_refused(token):
    assert SIGNER.verify(token, NOW_S) is None
