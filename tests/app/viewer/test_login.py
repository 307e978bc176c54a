"""The login: who comes in as whom by a provider's word, and whose word is none. One of our own signs and lies."""

import asyncio
import os
import re
import time

import pytest

from app.review.people import Identity, Role
from app.viewer.gate import login
from app.viewer.gate import provider as provider_module
from app.viewer.gate.handed import Handed
from app.viewer.gate.login_file import LoginSettings, read_login
from tests.app.viewer.login import HOST, OWN, Browser, gate_for, settings_for
from tests.app.viewer.provider import CLIENT, SECRET, Provider, signed_with_the_public_key, unsigned
from wsi.errors import UsageError

SESSION, BROWSER = "pulmoscope8501-login", "pulmoscope8501-browser"


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def gate(provider):
    return gate_for(provider)


def test_who_is_not_known_is_sent_to_the_provider_and_comes_back_to_the_page_asked(provider, gate):
    browser = Browser(gate)
    asked = browser.sent_away("/?slide=one&mag=5")
    assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT, "code", "S256")
    assert asked["redirect_uri"] == f"http://{HOST}/oauth2callback" and "openid" in asked["scope"].split()
    # A slide's name is not the provider's to know.
    assert not [path for path in (*provider.seen, str(asked)) if "slide" in path]
    status, headers, _ = browser.come_back(provider.code_for("anna", asked), asked["state"])
    assert (status, headers["location"]) == (303, "/?slide=one&mag=5")
    assert browser.ask("/")[2].startswith("inside: Anna Reviewer, reviewer, ")
    [line] = [line for line in browser.set if line.startswith(SESSION)]
    assert set(line.split("; ")[1:]) == {"HttpOnly", "Path=/", "SameSite=lax"}


@pytest.mark.parametrize(("who", "role"), [("anna", "reviewer"), ("rita", "reader"), ("adam", "admin")])
def test_the_claims_make_the_role_and_of_several_the_one_that_may_most(provider, gate, who, role):
    browser = Browser(gate)
    browser.log_in(provider, who)
    assert f", {role}, " in browser.ask("/")[2]


def test_who_has_no_role_does_not_get_in_and_is_told(provider, gate):
    browser = Browser(gate)
    status, _, text = browser.log_in(provider, "nora")
    assert status == 403 and "Nora &lt;b&gt;Nobody&lt;/b&gt; is known" in text and SESSION not in browser.cookies
    assert browser.ask("/")[0] == 303


@pytest.mark.parametrize(
    ("lie", "sign", "word"),
    [
        ({}, "other", "signature"),
        ({}, "unsigned", "signature"),
        ({}, "public", "signature"),
        ({}, "garbage", "signature"),
        ({"aud": "another program"}, None, "aud"),
        ({"aud": None}, None, "aud"),
        ({"aud": [CLIENT, "another"]}, None, "another program"),
        ({"azp": "another"}, None, "another program"),
        ({"iss": "http://localhost:1"}, None, "iss"),
        ({"exp": int(time.time()) - 3600}, None, "exp"),
        ({"exp": None}, None, "exp"),
        ({"exp": "never"}, None, "exp"),
        ({"iat": int(time.time()) + 3600}, None, "iat"),
        ({"nbf": int(time.time()) + 3600}, None, "nbf"),
        ({"nonce": "forged"}, None, "another login"),
        ({"nonce": None}, None, "another login"),
        ({"sub": None}, None, "sub"),
        ({"sub": ""}, None, "sub"),
        ({"sub": 7}, None, "sub"),
    ],
)
def test_a_token_that_does_not_hold_lets_nobody_in(provider, gate, lie, sign, word):
    from joserfc import jwt

    ways = {
        "other": lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, provider.other),
        "unsigned": unsigned,
        "public": signed_with_the_public_key(provider.key),
        "garbage": lambda claims: "a.b.c",
    }
    provider.lie, provider.sign = lie, ways.get(sign)
    browser = Browser(gate)
    status, _, text = browser.log_in(provider, "anna")
    assert status == 403 and "login-failed: the identity that the login service gave is not valid" in text
    assert word in text and SESSION not in browser.cookies and browser.ask("/")[0] == 303


def test_a_state_of_no_login_of_this_browser_is_refused_and_the_provider_not_asked(provider, gate):
    mine, other = Browser(gate), Browser(gate)
    asked, others = mine.sent_away(), other.sent_away()
    body, _, seal = asked["state"].rpartition(".")
    late = body.replace(body.partition(".")[0], "9" * 10)
    forged = ["", "x", "..", others["state"], f"{body}.{'A' * len(seal)}", f"{late}.{seal}", asked["state"][:-1]]
    for state in forged:
        status, _, text = mine.come_back(provider.code_for("anna", asked), state)
        assert status == 400 and "begun in another browser" in text
    mine.cookies.pop(BROWSER)
    assert mine.come_back(provider.code_for("anna", asked), asked["state"])[0] == 400
    assert provider.tokens_asked == 0 and SESSION not in mine.cookies


def test_a_login_that_took_too_long_is_begun_anew(provider, gate, monkeypatch):
    browser = Browser(gate)
    asked = browser.sent_away()
    now = time.time()
    monkeypatch.setattr(login.time, "time", lambda: now + 1000)
    assert browser.come_back(provider.code_for("anna", asked), asked["state"])[0] == 400


def test_a_code_counts_once_and_only_for_the_login_it_was_given_to(provider, gate):
    browser, other = Browser(gate), Browser(gate)
    asked, others = browser.sent_away(), other.sent_away()
    code = provider.code_for("anna", asked)
    # Another's code in one's own login: what proves the key (PKCE) does not fit.
    assert other.come_back(code, others["state"])[0] == 403
    code = provider.code_for("anna", asked)
    assert browser.come_back(code, asked["state"])[0] == 303
    assert browser.come_back(code, asked["state"])[0] == 403


def test_what_the_provider_refuses_is_told_in_plain_words(provider, gate):
    browser = Browser(gate)
    state = browser.sent_away()["state"]
    status, _, text = browser.ask(f"/oauth2callback?error=access_denied%3Cscript%3E&state={state}")
    assert status == 403 and "said no (access_denied&lt;script&gt;)" in text
    assert browser.ask(f"/oauth2callback?code=x&state={state}&iss=http://evil.example")[0] == 403
    status, _, text = browser.ask(f"/oauth2callback?code=guessed&state={state}")
    assert status == 403 and "login-failed" in text and "Traceback" not in text


def test_a_provider_that_is_away_is_told_and_tried_again(provider, gate):
    provider.close()
    for _ in range(2):
        status, _, text = Browser(gate).ask("/")
        assert status == 502 and "the login service does not answer" in text and str(provider.issuer) not in text


def test_a_provider_that_is_away_is_not_asked_for_everybody(provider, gate, monkeypatch):
    asked = []
    monkeypatch.setattr(provider_module, "_ask", lambda *told: asked.append(told) or {})
    assert [Browser(gate).ask("/")[0] for _ in range(5)] == [502] * 5 and len(asked) == 1
    monkeypatch.undo()
    monkeypatch.setattr(provider_module, "_AWAY_S", 0.0)
    assert Browser(gate).log_in(provider, "anna")[0] == 303


def test_a_provider_that_calls_itself_otherwise_is_not_asked(provider, monkeypatch):
    for changed in ({"issuer": "http://localhost:2"}, {"token_endpoint": "http://evil.example/token"},
                    {"jwks_uri": None}):  # fmt: skip
        monkeypatch.setattr(Provider, "metadata", property(lambda self, c=changed: {**METADATA(self), **c}))
        assert Browser(gate_for(provider)).ask("/")[0] == 502


METADATA = Provider.metadata.fget


def test_new_keys_of_the_provider_are_found(provider, gate, monkeypatch):
    assert Browser(gate).log_in(provider, "anna")[0] == 303
    provider.key = provider.other
    assert Browser(gate).log_in(provider, "anna")[0] == 403  # asked for a moment ago
    monkeypatch.setattr(provider_module, "_KEYS_AGAIN_S", 0.0)
    assert Browser(gate).log_in(provider, "anna")[0] == 303


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example"])
def test_the_way_back_is_never_another_host(provider, gate, path):
    assert Browser(gate).log_in(provider, "anna", path)[1]["location"].startswith(("/evil.example", "/%5Cevil.example"))


@pytest.mark.parametrize("cookie", ["", "x", "guessed" * 6, "%00", "\xff"])
def test_a_guessed_or_ended_session_is_none(provider, gate, cookie):
    browser = Browser(gate)
    assert browser.ask("/", cookie=f"{SESSION}={cookie}")[0] == 303
    assert browser.ask("/viewer/list/x", cookie=f"{SESSION}={cookie}", sec_fetch_mode="cors")[0] == 403
    assert browser.ask("/_stcore/stream", kind="websocket", cookie=f"{SESSION}={cookie}", **OWN)[0] == ["close"]
    assert browser.ask("/x", "POST", cookie=f"{SESSION}={cookie}", **OWN)[0] == 403


def test_a_login_ends_after_its_hours(provider, monkeypatch):
    browser = Browser(gate_for(provider, hours=0.5))
    browser.log_in(provider, "anna")
    now = time.monotonic()
    monkeypatch.setattr("app.viewer.gate.sessions.time.monotonic", lambda: now + 1801)
    assert browser.ask("/")[0] == 303


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:8501", "http://127.0.0.1:9999", ""]
)
def test_another_page_gets_nothing_even_with_the_login(provider, gate, origin):
    browser = Browser(gate)
    browser.log_in(provider, "anna")
    assert browser.ask("/_stcore/stream", kind="websocket", origin=origin)[0] == ["close"]
    for path in ("/viewer/incoming/x", "/logout"):
        assert browser.ask(path, "POST", origin=origin)[0] == 403
    assert browser.ask("/logout", "POST")[0] == 403  # says not where it comes from
    assert "Anna" in browser.ask("/")[2]


def test_a_visit_that_a_browser_names_itself_never_gets_in(provider, gate):
    anna, ben = Browser(gate), Browser(gate)
    anna.log_in(provider, "anna")
    ben.log_in(provider, "ben")
    annas = anna.ask("/")[2].rpartition(" ")[2]
    bens = ben.ask("/", x_pulmoscope_visit=annas)[2]
    assert bens.startswith("inside: Ben") and annas not in bens
    assert gate.visitor(annas).name == "Anna Reviewer" and gate.visitor("") is gate.visitor("x") is None


def test_logging_out_is_asked_for_and_ends_all_at_once(provider, gate):
    browser = Browser(gate)
    browser.log_in(provider, "anna")
    visit, kept = browser.ask("/")[2].rpartition(" ")[2], dict(browser.cookies)
    status, _, text = browser.ask("/logout")
    assert status == 200 and "You are logged in as Anna Reviewer" in text and 'method="post"' in text
    assert gate.visitor(visit) is not None  # a link alone, which any site can make somebody follow, ends nothing
    status, headers, text = browser.ask("/logout", "POST", **OWN)
    assert status == 200 and f"{provider.issuer}/end?client_id=pulmoscope" in text
    assert headers["clear-site-data"] == '"cache"' and SESSION not in browser.cookies
    assert gate.visitor(visit) is None
    browser.cookies = kept
    assert browser.ask("/")[0] == 303 and browser.ask("/x", sec_fetch_mode="cors")[0] == 403


def test_a_second_login_in_one_browser_ends_the_first(provider, gate):
    browser = Browser(gate)
    browser.log_in(provider, "anna")
    visit = browser.ask("/")[2].rpartition(" ")[2]
    asked = browser.sent_away("/login")
    browser.come_back(provider.code_for("ben", asked), asked["state"])
    assert "Ben" in browser.ask("/")[2] and gate.visitor(visit) is None


@pytest.mark.parametrize("end", ["logout", "hours"])
def test_a_websocket_is_closed_when_its_login_ends(provider, end):
    gate = gate_for(provider, hours=1e-4 if end == "hours" else 1)
    browser = Browser(gate)
    browser.log_in(provider, "anna")
    [secret] = [value for name, value in browser.cookies.items() if name == SESSION]

    async def silent():
        if end == "logout":
            await asyncio.sleep(0.05)
            gate.sessions.end(secret)
        await asyncio.Event().wait()

    told, _, _ = browser.ask("/_stcore/stream", kind="websocket", receive=silent, **OWN)
    assert told == ["accept", "close"]


def test_behind_tls_the_cookies_are_the_hosts_own(provider):
    gate = gate_for(provider, address="https://slides.example.org")
    browser = Browser(gate)
    there = {"host": "slides.example.org"}
    assert browser.ask("/", **there)[0] == 303
    assert browser.set[0].startswith("__Host-pulmoscope-browser=") and "; Secure" in browser.set[0]
    own = {**there, "origin": "https://slides.example.org"}
    assert browser.ask("/logout", "POST", **own)[0] == 200
    assert browser.ask("/logout", "POST", **{**own, "origin": "http://slides.example.org"})[0] == 403


def test_a_report_is_given_to_those_alone_whose_page_was_told_of_it():
    handed, name = Handed(), "0123456789abcdef" * 3
    handed.note("anna", b"\x12\x40some protobuf/media/%s.pdf\x1a more" % name.encode())
    assert handed.allows("anna", f"/media/{name}.pdf") and not handed.allows("ben", f"/media/{name}.pdf")
    assert not handed.allows("anna", "/media/") and not handed.allows("anna", f"/media/{name[:-1]}")
    for number in range(9000):
        handed.note("ben", b"/media/%048d" % number)
    assert handed.allows("ben", f"/media/{8999:048d}") and not handed.allows("anna", f"/media/{name}.pdf")


# --- the file

FILE = f"""
issuer = "https://login.example.org/realms/lab"
client_id = "{CLIENT}"
address = "https://slides.example.org/"
[roles]
claim = "realm_access.roles"
admin = ["it"]
reviewer = ["pathologists"]
"""


def written(tmp_path, text=FILE):
    (tmp_path / "login.toml").write_text(text)
    return tmp_path / "login.toml"


def test_the_file_is_read_and_its_secret_comes_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    told = read_login(written(tmp_path, f'client_secret_file = "secret"\nhours = 8\n{FILE}'))
    assert (told.client_secret, told.hours, told.redirect_uri) == (
        SECRET, 8.0, "https://slides.example.org/oauth2callback")  # fmt: skip
    assert SECRET not in repr(told) and told.default_role is None
    monkeypatch.setenv("PULMOSCOPE_LOGIN_SECRET", "of the variable")
    assert read_login(written(tmp_path)).client_secret == "of the variable"
    assert "PULMOSCOPE_LOGIN_SECRET" not in os.environ  # jobs do not inherit it


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda text: text.replace("client_id", "clientid"), "clientid"),
        (lambda text: text.replace("issuer", "#issuer"), "lacks issuer"),
        (lambda text: text.replace("https://login", "http://login"), "no https:// address"),
        (lambda text: text.replace("https://slides", "http://slides"), "no https:// address"),
        (lambda text: text.replace('org/"', 'org/app"'), "has a path"),
        (lambda text: text.replace('admin = ["it"]', 'admin = "it"'), "no lists"),
        (lambda text: text.replace("claim =", "#claim ="), "which claim"),
        (lambda text: text.replace("admin =", "owner ="), "owner"),
        (lambda text: text + 'default = "admin"\n', "default role"),
        (lambda text: re.sub(r"(admin|reviewer) = .*", "", text), "nobody would get in"),
        (lambda text: "hours = 0\n" + text, "hours"),
        (lambda text: "hours = true\n" + text, "hours"),
        (lambda text: "scopes = 5\n" + text, "no text"),
        (lambda text: 'client_secret = "x"\n' + text, "client_secret"),
        (lambda text: 'client_secret_file = "gone"\n' + text, "client_secret_file"),
        (lambda text: text + "[", "cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line(tmp_path, change, word):
    with pytest.raises(UsageError, match=word) as told:
        read_login(written(tmp_path, change(FILE)))
    assert "\n" not in str(told.value) and "Traceback" not in str(told.value)


def test_the_command_says_so_too(tmp_path):
    from click.testing import CliRunner

    from app.cli import cli

    done = CliRunner().invoke(cli, ["app", "--results", str(tmp_path), "--login", str(tmp_path / "none")])
    assert isinstance(done.exception, UsageError) and "cannot be read" in str(done.exception)


def visitor(claims, **more):
    settings = LoginSettings("https://login.example.org", CLIENT, "https://a.example", **more)
    return settings.visitor({"sub": "1", **claims})


def test_an_address_of_mail_that_nobody_proved_makes_no_role():
    by_mail = {"role_claim": "email", "roles": {Role.ADMIN: frozenset({"a@example.org"})}}
    assert visitor({"email": "a@example.org"}, **by_mail) is None
    assert visitor({"email": "a@example.org", "email_verified": "true"}, **by_mail) is None
    assert visitor({"email": "a@example.org", "email_verified": True}, **by_mail).role is Role.ADMIN


@pytest.mark.parametrize(
    "held", [None, [], {}, 5, "x", ["x"], {"roles": "x"}, {"roles": {"it": 1}}, {"roles": [["it"]]}]
)
def test_a_claim_that_is_otherwise_made_gives_no_role(held):
    nested = {"role_claim": "realm_access.roles", "roles": {Role.ADMIN: frozenset({"it"})}}
    assert visitor({"realm_access": held}, **nested) is None
    assert visitor({"realm_access": {"roles": ["it"]}}, **nested).role is Role.ADMIN
    assert visitor({"realm_access": held}, **nested, default_role=Role.READER).role is Role.READER


def test_two_people_never_become_one():
    open_to_all = {"default_role": Role.REVIEWER}
    told = [
        visitor({"sub": sub, "name": "A. Smith"}, **open_to_all) for sub in ("1", "2", "1\u200b", "x" * 200, "x" * 201)
    ]
    assert len({one.owner for one in told}) == len({one.person.key for one in told}) == 5
    assert {one.person.identity for one in told} == {Identity.OIDC}
    elsewhere = LoginSettings("https://other.example.org", CLIENT, "https://a.example", **open_to_all)
    assert elsewhere.visitor({"sub": "1", "name": "A. Smith"}).person.key != told[0].person.key
    assert told[0].person.subject == "1@login.example.org"
    assert visitor({"name": "\u200b"}, **open_to_all).person.name == "1"


def test_the_settings_of_the_tests_are_those_of_a_file(provider):
    assert settings_for(provider).redirect_uri == f"http://{HOST}/oauth2callback"
