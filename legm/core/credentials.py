"""Parameters that are credentials: they are not compared, and their values stay on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from legm.records import Configuration, Plain, Run

__all__ = ["REDACTED", "is_credential", "redact_configuration", "redact_url_password"]

REDACTED = "<redacted>"
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_CREDENTIAL_WORDS = frozenset(
    {"password", "passwd", "passphrase", "secret", "secrets", "credential", "credentials", "apikey"}
)
_CREDENTIAL_WORD_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key")})
_TOKEN_VALUE = re.compile(r"[\w.+/=:~-]{8,}")
_PASSWORD = re.compile(r"(?<=://)([^/@\s]*):([^/@\s]*)@")


def is_credential(name: str, value: Any, patterns: Iterable[str] | None = None) -> bool:
    """Whether a parameter is a credential: a string whose name says so.

    By default the name must contain one of the words password, passphrase, secret, credential, or api key,
    access key, private key; or the word token, with a value of eight or more letters, digits and
    ``._+/=:~-``. So ``hf_token`` is a credential; ``max_tokens=512``, ``tokenizer="bert"`` and
    ``pad_token="<pad>"``, which distinguish models, are not.

    Args:
        name: the parameter's name.
        value: the parameter's value.
        patterns: shell patterns for names, which replace the default rule; case is ignored.
    """
    if not isinstance(value, str) or not value:
        return False
    if patterns is not None:
        return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
    words = [word.lower() for word in _WORDS.findall(name)]
    if not _CREDENTIAL_WORDS.isdisjoint(words) or not _CREDENTIAL_WORD_PAIRS.isdisjoint(pairwise(words)):
        return True
    return "token" in words and _TOKEN_VALUE.fullmatch(value) is not None


def _redact_credentials(
    parameters: Mapping[str, Plain], metadata: Mapping[str, Mapping[str, Plain]]
) -> dict[str, Plain]:
    return {
        name: REDACTED if metadata.get(name, {}).get("credential") else value
        for name, value in parameters.items()
    }


def redact_configuration(configuration: Configuration) -> Configuration:
    """The configuration without the values of its credentials."""
    if not any("credential" in fields for fields in configuration.metadata.values()):
        return configuration
    return replace(
        configuration, parameters=_redact_credentials(configuration.parameters, configuration.metadata)
    )


def redact_run(run: Run) -> Run:
    """The run without the values of its credentials."""
    configuration = redact_configuration(run.configuration)
    if configuration is run.configuration:
        return run
    return replace(
        run,
        configuration=configuration,
        parameters=_redact_credentials(run.parameters, configuration.metadata),
    )


def redact_url_password(address: str) -> str:
    """The URL with ``***`` instead of a password in it."""
    return _PASSWORD.sub(r"\1:***@", address)
