"""What is a credential, by the one rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.credentials import (
    REDACTED,
    CredentialRule,
    is_credential,
    redact,
    redact_source,
    redact_text,
    redact_url_password,
)
from legm.core.parameters import Parameters
from legm.core.plain_form import to_plain
from tests.support.secrets import SECRETS, VISIBLE

_PIECES = (
    *(
        "password",
        "Passphrase",
        "passwd",
        "secrets",
        "credential",
        "authorization",
        "apikey",
        "api",
        "key",
        "Token",
    ),
    *("db", "pass", "PWD", "auth", "cookie", "hf", "github", "size"),
)


@pytest.mark.parametrize(("name", "value", "secret"), SECRETS, ids=lambda value: str(value)[:30])
def test_a_credential_is_redacted_in_every_shape(name, value, secret):
    plain = to_plain(name, value)
    assert secret in str(plain)
    redacted = redact(name, plain)
    assert secret not in str(redacted)
    assert redact(name, redacted) == redacted


@pytest.mark.parametrize(("name", "value"), VISIBLE, ids=lambda value: str(value)[:30])
def test_what_only_looks_like_a_credential_stays_visible_and_is_compared(name, value):
    plain = to_plain(name, value)
    assert redact(name, plain) is plain
    assert not is_credential(name, value)
    parameters = Parameters()
    parameters.set({name: value})
    assert name in parameters.configuration("e").active


def test_what_is_next_to_a_credential_stays():
    assert redact("db", {"host": "h", "port": 5, "password": "x"}) == {
        "host": "h",
        "port": 5,
        "password": REDACTED,
    }
    assert redact_text("postgres://me:pw@host/db?sslmode=off") == "postgres://me:***@host/db?sslmode=off"
    assert redact("argv", ["t.py", "--hf_token", "a", "--lr", "0.1"]) == [
        "t.py",
        "--hf_token",
        REDACTED,
        "--lr",
        "0.1",
    ]
    assert (
        redact_text("curl -H 'Authorization: Bearer abcdefgh1234'")
        == f"curl -H 'Authorization: Bearer {REDACTED}'"
    )


def test_numbers_are_credentials_as_passwords_alone():
    assert is_credential("db_password", 1234)
    assert not is_credential("api_key", 512)
    assert not is_credential("db_password", value=True)
    assert not is_credential("api_key", "")
    assert not is_credential("api_key", None)


def test_patterns_replace_names_and_forms():
    assert is_credential("Base_LR", "x", ["*lr*"])
    assert not is_credential("hf_token", "abcdefgh1234", ["*lr*"])
    assert not is_credential("lr", 0.1, ["*lr*"])
    rule = CredentialRule(["*lr*"])
    plain = {"base_lr": "a", "password": "b", "in": [{"LR": "c"}], "url": "http://a:b@c"}
    assert rule.redact("config", plain) == {**plain, "base_lr": REDACTED, "in": [{"LR": REDACTED}]}
    assert CredentialRule(()).redact("password", "x") == "x"


def fingerprint(**values: object) -> str:
    parameters = Parameters()
    parameters.set({"lr": 0.1, **values})
    return parameters.configuration("e").fingerprint


def test_the_identity_has_no_credential_and_is_that_of_before_where_there_is_none():
    assert fingerprint(db={"password": "a", "host": "h"}) == fingerprint(db={"password": "b", "host": "h"})
    assert fingerprint(db={"password": "a", "host": "h"}) != fingerprint(db={"password": "a", "host": "i"})
    assert fingerprint(dsn="postgres://me:a@h/d") == fingerprint(dsn="postgres://me:b@h/d")
    assert fingerprint(openai_key="a") == fingerprint()
    later = ("password_field_size", "kept_")  # which was taken for one, and what came after
    known = {name: value for name, value in VISIBLE if not name.startswith(later)}
    assert fingerprint(**known) == "v1-1e35dd07d0b9732726794d093727e83a"  # as before there was this rule


def test_a_name_made_from_a_credential_is_redacted():
    from legm.core.parameters import NameRule

    parameters = Parameters()
    parameters.set({"db": {"host": "h", "password": "hunter2-x"}, "password": "hunter3-x"})
    parameters.set_name_rule(["db"], NameRule(True, lambda db: f"{db['host']}:{db['password']}"))
    parameters.set_name_rule(["password"], NameRule())
    configuration = parameters.configuration("e")
    assert configuration.name.startswith("h")
    assert "hunter" not in repr(configuration)
    restored = Parameters()
    restored.restore(configuration)
    assert restored.configuration("e") == configuration


def test_a_condition_on_a_credential_is_evaluated_and_stored_without_it():
    parameters = Parameters()
    parameters.set({"dsn": "postgres://me:pw-1@h/d", "pool": 3})
    parameters.set_metadata({"pool": {"parent": "dsn", "parent_active": "postgres://me:pw-1@h/d"}})
    configuration = parameters.configuration("e")
    assert "pool" in configuration.active
    assert "pw-1" not in repr(configuration)
    restored = Parameters()
    restored.restore(configuration)
    assert restored.configuration("e") == configuration


def test_a_password_is_taken_out_of_an_address():
    assert redact_url_password("postgresql://me:pw@host/db?x=1") == "postgresql://me:***@host/db?x=1"
    assert redact_url_password("http://host:5000/a@b") == "http://host:5000/a@b"


@pytest.mark.parametrize(
    ("source", "clean"),
    [
        ("API_KEY = 'abc-1'", "API_KEY = '<redacted>'"),
        ("api_key: str = 'abc'", "api_key: str = '<redacted>'"),
        ('d["api_key"] = "abc"', 'd["api_key"] = "<redacted>"'),
        ("a = 1\n  - password: hunter2\nb = 2", "a = 1\n  - password: <redacted>\nb = 2"),
        ("export HF_TOKEN=abc", "export HF_TOKEN=<redacted>"),
        ("password = getpass()", "password = getpass()"),
        ("self.api_key = self.key", "self.api_key = self.key"),
        ("token = tokenizer", "token = tokenizer"),
    ],
)
def test_a_credential_in_a_program_or_a_file_of_settings_is_found(source, clean):
    assert redact_source(source) == clean


@given(st.lists(st.sampled_from([*_PIECES, "_", "-", "X", "s", "1"]), min_size=1, max_size=6))
def test_every_name_that_speaks_of_a_credential_is_looked_for(pieces):
    """Texts without a word of credentials are not searched any further, so that none may be missed."""
    name = "my_" + "".join(pieces)
    if is_credential(name, "abcdefgh-1"):
        assert redact_text(f"--{name}=abcdefgh-1") == f"--{name}=<redacted>"


@pytest.mark.parametrize(
    "token",
    [
        *(
            "sk-proj-" + "a1" * 10,
            "sk-" + "A1" * 12,
            "rk_live_" + "a" * 20,
            "gho_" + "a" * 24,
            "hf_" + "a" * 24,
        ),
        *("glrt-" + "a" * 20, "dop_v1_" + "a1" * 32, "shpat_" + "a1" * 16, "gsk_" + "a1" * 26),
        *("xapp-1-" + "A1" * 12, "lin_api_" + "a1" * 20),
        *("github_pat_" + "a" * 24, "glpat-" + "a" * 20, "npm_" + "a" * 36, "xoxb-" + "a" * 12),
        *("AKIA" + "A1" * 8, "AIza" + "a" * 35, "ya29." + "a" * 24, "dapi" + "a1" * 16, "pypi-" + "a" * 48),
        *(
            "dckr_pat_" + "a" * 24,
            "nvapi-" + "a" * 24,
            "r8_" + "a" * 36,
            "lsv2_" + "a" * 24,
            "wandb_v1_" + "a" * 24,
        ),
        *("SG." + "a" * 20 + "." + "b" * 20, "eyJ" + "a" * 9 + "." + "b" * 9 + "." + "c" * 9),
    ],
)
def test_a_token_is_found_by_its_form_in_a_text_that_says_nothing_of_it(token):
    assert redact_text(f"run {token} now") == "run <redacted> now"
    assert redact_text(f"run {token[:6]} now") == f"run {token[:6]} now"
