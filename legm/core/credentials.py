"""What is a credential: one rule, by which values are redacted before anything is stored, shown or compared.

By its **name**, a text is a credential if one of the name's words is password, passwd, passphrase,
passcode, secret, credential, creds, authorization or apikey, also at the end of a longer word
(``dbpassword``); or if two words in a row are a key or token for something (``api_key``, ``ssh_key``,
``openai_key``, ``hf_token``), or the password of something (``db_pass``, ``db_pw``). Plurals are too
(``api_keys``). ``pwd``, ``auth``, ``token``, ``cookie``, ``jwt`` and ``bearer`` depend on the value, as they
have other meanings too: a working directory, a method, a word of a vocabulary. A name
that ends in a measure (``password_field_size``) is none. The whole number of a password is one too. Below a
name that decides alone, every text in a list or mapping is one; elsewhere the names in the mapping count.

By its **form**, in any text: the user information of an address, the code in one by which an OAuth client
gets a token (``code=`` beside ``state=``, or on the path of a callback), what follows ``Bearer``, ``Basic``
or ``Digest`` in a header, the headers ``Authorization`` and ``Cookie``, a private key, tokens whose issuers
gave them a recognizable form, and what follows the name of a credential in ``name=value``,
``"name": "value"`` and ``--name value``, a user in curl's ``-u name:value``, or a login in a line of
``.netrc``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from typing import Any

from legm.records import Configuration, Plain, Run

__all__ = [
    "REDACTED",
    "CredentialRule",
    "is_credential",
    "redact",
    "redact_configuration",
    "redact_run",
    "redact_source",
    "redact_text",
    "redact_url_password",
    "redact_url_user",
]

REDACTED = "<redacted>"

# Names

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PASSWORDS = tuple(
    name + end for name in ("password", "passwd", "passphrase", "passcode") for end in ("", "s")
)
_SECRETS = (
    *_PASSWORDS,
    *("secret", "secrets", "credential", "credentials", "creds", "authorization", "apikey", "apikeys"),
)
_KEYS = ("key", "token", "keys", "tokens")


def _credential_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OWNERS = _credential_words(
    "access account admin anthropic api auth aws azure bearer bot client cohere comet databricks deploy "
    "discord encryption gcp gemini gh github gitlab google groq hf hub huggingface kaggle langsmith license "
    "master minio mistral mlflow neptune ngc nvidia openai oauth personal pinecone private pypi refresh "
    "replicate secret sendgrid service session shared signing slack ssh stripe subscription telegram twilio "
    "wandb webhook"
)
"""Words before ``key`` or ``token`` that make it one which opens something."""
_ACCOUNTS = _credential_words(
    "admin db email ftp http login mail mysql pg postgres proxy redis root smtp ssh user"
)
"""Words before ``pass`` or ``pw`` that make it a password."""
_MEASURES = _credential_words("size length len count field fields min max dim dims")
"""Words at the end of a name that is about credentials, but of none."""
_AUTH_METHODS = _credential_words(
    "none no yes true false auto default basic digest bearer token oauth oauth1 oauth2 jwt kerberos ntlm "
    "ldap sso saml sasl gssapi iam mtls tls ssl anonymous password apikey api_key key cert certificate"
)
_VALUE_DECIDES = ("pwd", "auth", "cookie", "jwt", "bearer")
"""Words at the end of a name that have other meanings too."""
_HINTS = ("pass", "secret", "cred", "auth", "key", "token", "pw", "cookie", "jwt", "bearer")
"""One of these is in every name that speaks of a credential, so that a text without any is done quickly."""
_WORD_OF_ITS_OWN = re.compile(r"[\w.+/=:~-]{8,}")  # not "<pad>"
_WORD_OF_A_TOKEN = re.compile(r"(?=.*\d|.{20})[\w.+/=~-]{8,}")  # not "disabled"
_PATH = re.compile(r"~|\.{0,2}[/\\]|[A-Za-z]:[/\\]")


@lru_cache(4096)
def _credential_kind_of_name(name: str) -> str:
    """How a name speaks of a credential.

    Returns:
        "password" or "secret" where the name alone decides; a word that depends on the value; or "".
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _MEASURES:
        return ""
    if any(word.endswith(_PASSWORDS) for word in words) or (
        words[-2:-1] and _is_pass_credential(*words[-2:])
    ):
        return "password"
    if any(word.endswith(_SECRETS) for word in words):
        return "secret"
    if any(after in _KEYS and before in _OWNERS for before, after in pairwise(words)):
        return "secret"
    if any(word.endswith(end) and word.removesuffix(end) in _OWNERS for word in words for end in _KEYS):
        return "secret"
    if "token" in words:
        return "token"
    return words[-1] if words[-1] in _VALUE_DECIDES else ""


def _is_pass_credential(before: str, last: str) -> bool:
    return last in ("pass", "pw") and before in _ACCOUNTS


def is_credential(name: str, value: Any, patterns: Iterable[str] | None = None) -> bool:
    """Whether a parameter is a credential: its name says so, and it is a text, or the number of a password.

    Args:
        name: the parameter's name.
        value: the parameter's value.
        patterns: shell patterns for names, which replace the default rule; case is ignored.
    """
    if type(value) is int and patterns is None:
        return _credential_kind_of_name(name) == "password"
    if not isinstance(value, str) or not value:
        return False
    if patterns is not None:
        return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
    match _credential_kind_of_name(name):
        case "":
            return False
        case "password" | "secret":
            return True
        case "pwd":
            return _PATH.match(value) is None
        case "auth":
            return value.lower() not in _AUTH_METHODS
        case "jwt" | "bearer":
            return _WORD_OF_A_TOKEN.fullmatch(value) is not None
        case _:
            return _WORD_OF_ITS_OWN.fullmatch(value) is not None


# Forms

_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]{0,200}):([^/@\s]{0,500})@")
_URL_USER = re.compile(r"(?<=://)[^/@\s]*@")
_URL_TOKEN = re.compile(r"(?<=://)(?=[^/@\s]*\d)[^/@\s:]{16,500}(?=@)")
_URL_SIGNATURE = re.compile(r"(?i)([?&;](?:x-(?:amz|goog)-)?sig(?:nature)?=)([^\s&;#\"']{8,})")
_WEBHOOK = re.compile(
    r"(hooks\.slack\.com/\w{1,20}/|discord(?:app)?\.com/api/webhooks/\d+/|webhook\.office\.com/\w{1,20}/)"
    r"([^\s\"']{10,})"
)
_TELEGRAM = re.compile(r"(?<!\d)(\d{8,10}:)AA[\w-]{30,40}")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(?:-----END \1PRIVATE KEY-----|\Z)", re.DOTALL
)
_BEARER = re.compile(r"(?i)(?<![\w-])(bearer\s+)(?=\S*\d|\S{24})([\w.~+/=-]{8,})")
_AUTHORIZATION = re.compile(
    r"(?i)(?<![\w-])((?:proxy-)?authorization:[ \t]*(?![^\n]*<redacted>)(?:[a-z][\w-]{1,20}[ \t]+)?)"
    r"(?=\S*\d|\S{16})([^\s\"',;<]{6,})"
)
_LIST_PIECE = r"[\w-]+\*?=(?:\\?\"[^\"\\\n]*\\?\"|[^\s,\"'\\]+)"
_PARAMETER_LIST = rf"{_LIST_PIECE}(?:,[ \t]*{_LIST_PIECE})*"
_AUTHORIZATION_LIST = re.compile(
    rf"(?i)(?<![\w-])((?:proxy-)?authorization:[ \t]*[a-z][\w-]{{1,20}}[ \t]+)({_PARAMETER_LIST})"
)
_DIGEST = re.compile(rf"(?i)(?<![\w-])(digest[ \t]+)({_PARAMETER_LIST})")
_DIGEST_ANSWER = re.compile(r"(?i)(?<![\w-])(?:response|nonce)=\\?\"?[\w.+/=-]{8,}")
_OAUTH_CODE = re.compile(r"(?<![\w.-])code=([^\s&;#,\"'<>\\]{8,})")
_OAUTH_COMPANY = re.compile(
    r"(?i)(?<![\w.-])(?:state|session_state|grant_type|redirect_uri|code_verifier)="
    r"|(?<![a-z])(?:callback|oauth2?|oidc|openid|sso|authoriz(?:e|ed|ation)|redirect|log_?in|sign_?in)[/\w.-]{0,40}[?#]"
)
_ADDRESS_END = re.compile(r"[\s\"'<>]")
_MAX_ADDRESS = 2000  # characters before and after a code that may tell what it is
_COOKIE = re.compile(
    r"(?i)(?<![\w-])((?:set-)?cookie:[ \t]*)([\w.-]+=[^\s;\"']+(?:;[ \t]*[\w.-]+=[^\s;\"']+)*)"
)
_NETRC = re.compile(
    r"(?<![\w-])((?:machine\s+\S+|default)\s+login\s+\S+\s+(?:account\s+\S+\s+)?password\s+)(\S+)"
)
_NETRC_LINE = re.compile(r"(?m)^((?:[ \t]+|[ \t]*login[ \t]+\S+[ \t]+)password[ \t]+)(\S+)[ \t]*$")
"""A line of an entry of ``.netrc`` over several lines, such as those of a console one by one."""
_BASIC = re.compile(r"(?i)(?<![\w-])(basic\s+)([A-Za-z0-9+/]{8,}={0,2})(?![\w=])")
_TOKEN_FORMS = (
    ("sk-", r"(?:ant|proj|or|svcacct)-[\w-]{16,}|sk-(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{20,}"),
    *((f"{kind}k_{mode}_", r"\w{16,}") for kind in "srp" for mode in ("live", "test")),
    *((f"gh{kind}_", r"\w{20,}") for kind in "pousr"),
    ("github_pat_", r"\w{20,}"),
    *((f"gl{kind}-", r"[\w-]{16,}") for kind in ("pat", "rt", "dt", "ptt")),
    ("hf_", r"[A-Za-z0-9]{20,}"),
    ("npm_", r"[A-Za-z0-9]{30,}"),
    ("xox", r"[abeprs]-[\w-]{10,}"),
    *((head, r"[0-9A-Z]{16}") for head in ("AKIA", "ASIA")),
    ("xapp-", r"\d-[\w-]{10,}"),
    ("AIza", r"[\w-]{30,}"),
    ("ya29.", r"[\w-]{20,}"),
    ("dapi", r"[0-9a-f]{32}"),
    ("pypi-", r"[\w-]{40,}"),
    ("dckr_pat_", r"[\w-]{20,}"),
    ("nvapi-", r"[\w-]{20,}"),
    ("r8_", r"\w{30,}"),
    *((f"do{kind}_v1_", r"\w{20,}") for kind in "por"),
    *((f"shp{kind}_", r"[0-9a-fA-F]{20,}") for kind in ("at", "ca", "pa", "ss")),
    *((head, r"[A-Za-z0-9]{20,}") for head in ("gsk_", "lin_api_")),
    ("lsv2_", r"\w{20,}"),
    ("wandb_v", r"\d_\w{20,}"),
    ("SG.", r"[\w-]{16,}\.[\w-]{16,}"),
    ("eyJ", r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
)
"""How tokens begin whose issuers gave them a recognizable form, and what follows."""
_TOKEN_HEADS = tuple(head for head, _ in _TOKEN_FORMS)
_TOKEN = re.compile(r"(?<![\w-])(?:" + "|".join(re.escape(head) + rest for head, rest in _TOKEN_FORMS) + ")")
_ASSIGNED = re.compile(r"(?<![\w.-])((?:--?)?[A-Za-z][\w.-]{1,100})(=)([^\s&;,\"')}\]]+|\"[^\"]*\"|'[^']*')")
_QUOTED = re.compile(
    r"([\"'])([A-Za-z][\w.-]{1,100})\1(\s*:\s*)"
    r"(\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^'\\]*(?:\\.[^'\\]*)*')"
)
_LITERAL = re.compile(
    r"(?<![\w.-])([A-Za-z_][\w-]{1,100})([\"']?\]?\s*(?::\s*\w{1,30}\s*=|[:=])\s*[bfru]?)(\"[^\"\n]+\"|'[^'\n]+')"
)
_SETTING = re.compile(
    r"(?m)^([ \t]*(?:export |- )?)([A-Za-z_][\w.-]{1,100})([ \t]*[:=][ \t]*)([^\s\"'(){}\[\]$,;]+)$"
)
_HEADER = re.compile(r"(?i)(?<![\w-])(x-[a-z][\w-]{1,60})(:[ \t]*)([^\s\"',;]+)")
_CURL_USER = re.compile(r"(?<!\S)(-u|--(?:proxy-)?user)(\s*=?\s*[\"']?)([^\s:\"'-][^\s:\"']*):([^\s\"']+)")
_OPTION = re.compile(r"(?<!\S)--([A-Za-z][\w.-]{1,100})(\s+)([^\s-]\S*)")


def redact_url_password(address: str) -> str:
    """The URL with ``***`` instead of a password in it."""
    return _URL_PASSWORD.sub(r"\1:***@", address)


def redact_url_user(address: str) -> str:
    """The address of a repository without credentials; of one on the web, without the user."""
    is_web = address.startswith(("http://", "https://", "ftp://", "ftps://"))  # ssh needs the user
    return redact_text(_URL_USER.sub("", address) if is_web else address)


def redact_text(text: str) -> str:
    """A text without the credentials in it that have a recognizable form or follow a name in it."""
    found = text
    if "://" in text:
        found = _URL_TOKEN.sub("***", redact_url_password(found))
        if "sig" in text or "Sig" in text:
            found = _URL_SIGNATURE.sub(rf"\1{REDACTED}", found)
        if "hook" in text:
            found = _WEBHOOK.sub(rf"\1{REDACTED}", found)
    if "PRIVATE KEY" in text:
        found = _PRIVATE_KEY.sub(REDACTED, found)
    folded = text.casefold()
    if "bearer" in folded:
        found = _BEARER.sub(rf"\1{REDACTED}", found)
    if "basic" in folded:
        found = _BASIC.sub(lambda m: m[1] + REDACTED if _is_basic_credential(m[2]) else m[0], found)
    if "code=" in text:
        found = _redact_oauth_codes(found)
    if "digest" in folded:
        found = _DIGEST.sub(lambda m: m[1] + REDACTED if _DIGEST_ANSWER.search(m[2]) else m[0], found)
    if "authorization" in folded:
        found = _AUTHORIZATION_LIST.sub(rf"\1{REDACTED}", found)
        found = _AUTHORIZATION.sub(rf"\1{REDACTED}", found)
    if "cookie:" in folded:
        found = _COOKIE.sub(rf"\1{REDACTED}", found)
    if any(head in text for head in _TOKEN_HEADS):
        found = _TOKEN.sub(REDACTED, found)
    if ":AA" in text:
        found = _TELEGRAM.sub(rf"\1{REDACTED}", found)
    if "curl" in folded:
        found = _CURL_USER.sub(rf"\1\2\3:{REDACTED}", found)
    if _has_credential_hint(folded):
        found = _redact_named(found)
    return text if found == text else found


def _redact_oauth_codes(text: str) -> str:
    """A text without the codes by which an OAuth client gets a token; any other ``code=`` stays."""
    pieces, end = [], 0
    for found in _OAUTH_CODE.finditer(text):
        before = _ADDRESS_END.split(text[max(0, found.start() - _MAX_ADDRESS) : found.start()])[-1]
        after = _ADDRESS_END.split(text[found.end() : found.end() + _MAX_ADDRESS], maxsplit=1)[0]
        if _OAUTH_COMPANY.search(before) or _OAUTH_COMPANY.search(after):
            pieces += [text[end : found.start(1)], REDACTED]
            end = found.end()
    return "".join([*pieces, text[end:]])


def _has_credential_hint(folded: str) -> bool:
    return any(hint in folded for hint in _HINTS)


def _redact_named(text: str) -> str:
    """A text without the credentials in it that follow their name."""
    found = text
    if "password" in text:
        found = _NETRC.sub(rf"\1{REDACTED}", _NETRC_LINE.sub(rf"\1{REDACTED}", found))
    if "=" in text:
        found = _ASSIGNED.sub(lambda m: _redact_pair(m, m[1], m[3]), found)
    if '"' in text or "'" in text:
        found = _QUOTED.sub(lambda m: _redact_pair(m, m[2], m[4]), found)
    if "X-" in text or "x-" in text:
        found = _HEADER.sub(lambda m: _redact_pair(m, m[1], m[3]), found)
    if "--" in text:
        found = _OPTION.sub(lambda m: _redact_pair(m, m[1], m[3]), found)
    return found


def redact_source(text: str) -> str:
    """:meth:`redact_text` for programs and files of settings.

    There, a credential may also be a literal that is assigned, or what a line of its own sets a name to.
    """
    found = redact_text(text)
    if not _has_credential_hint(text.casefold()):
        return found
    if '"' in text or "'" in text:
        found = _LITERAL.sub(lambda m: _redact_pair(m, m[1], m[3]), found)

    def set_to(found: re.Match[str]) -> str:
        name, value = found[2], found[4]
        is_variable = value == name or value.startswith("self.")
        return (
            _redact_pair(found, name, value)
            if _is_strong_credential_name(name) and not is_variable
            else found[0]
        )

    return _SETTING.sub(set_to, found)


def _is_strong_credential_name(name: str) -> bool:
    """Whether a name alone says that a text is a credential."""
    return _credential_kind_of_name(name) in ("password", "secret")


def _is_basic_credential(encoded: str) -> bool:
    """Whether it is the user and password of a header."""
    try:
        return b":" in base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False


def _redact_pair(found: re.Match[str], name: str, value: str) -> str:
    is_quoted = len(value) > 1 and value[0] in "\"'" and value[0] == value[-1]
    content = value[1:-1] if is_quoted else value.strip("\"'")
    if content in ("", REDACTED) or not is_credential(name, content):
        return found[0]
    return found[0][: -len(value)] + value.replace(content, REDACTED)


# Values

_NUMBERS = frozenset((bool, int, float, type(None)))


class CredentialRule:
    """The rule for one handler.

    Args:
        patterns: shell patterns for names, which replace names and forms; None for the default rule.
    """

    def __init__(self, patterns: Sequence[str] | None = None) -> None:
        self._patterns = None if patterns is None else tuple(patterns)
        self._decided: dict[str, bool] = {}
        self._stored: dict[str, Plain] = {}

    def as_decided(self, configuration: Configuration) -> CredentialRule:
        """The rule that keeps what was decided about the parameters of a stored configuration."""
        marked, rule = configuration.metadata, CredentialRule(self._patterns)
        rule._stored = dict(configuration.parameters)
        rule._decided = {name: bool(marked.get(name, {}).get("credential")) for name in rule._stored}
        return rule

    def covers(self, name: str, value: Any) -> bool:
        """Whether all of a parameter is a credential, so that it is not compared."""
        return self._decided[name] if name in self._decided else self._is_credential(name, value)

    def redact(self, name: str, value: Plain) -> Plain:
        """A parameter's value without credentials; itself where there are none.

        Args:
            name: the parameter's name.
            value: its value in plain form.
        """
        if name in self._decided:
            if self._decided[name]:
                return REDACTED
            if value == self._stored[name]:
                return value
            if isinstance(value, str):
                return self._redact_form(value)
        return self._redact(name, value)

    def _is_credential(self, name: str, value: Any) -> bool:
        return is_credential(name, value, self._patterns)

    def _redact_form(self, text: str) -> str:
        return redact_text(text) if self._patterns is None else text

    def _redact(self, name: str, value: Plain) -> Plain:
        if type(value) is float:
            return value
        if isinstance(value, str):
            return REDACTED if self._is_credential(name, value) else self._redact_form(value)
        if isinstance(value, dict):
            return _changed_by_redaction(
                value, {key: self._redact_item(name, key, item) for key, item in value.items()}
            )
        if isinstance(value, list):
            return _changed_by_redaction(value, self._redact_list(name, value))
        return REDACTED if self._is_credential(name, value) else value

    def hidden_texts(self, name: str, value: Plain) -> set[str]:
        """The texts in a parameter's value, in plain form, that are credentials or hold one."""
        return set(_texts_to_redact(value)) - set(_texts_to_redact(self.redact(name, value)))

    def redact_copies(self, text: str, name: str, value: Plain) -> str:
        """A text that was made from a value, without the credentials that it took from there.

        Args:
            text: what a function of the user's made.
            name: the parameter's name.
            value: its value in plain form.
        """
        for secret in sorted(self.hidden_texts(name, value), key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        return self._redact_form(text)

    def _redact_item(self, name: str, key: str, value: Plain) -> Plain:
        if key == "legm:bytes" and self._is_credential(name, value):
            return REDACTED.encode().hex()
        if key == "legm:map":  # of pairs
            return [
                [self._redact("", k), self._redact(k if isinstance(k, str) else name, v)] for k, v in value
            ]
        if key == "legm:set" or (isinstance(value, str) and self._is_strong(name)):
            return self._redact(name, value)
        return self._redact(key, value)

    def _is_strong(self, name: str) -> bool:
        """Whether every text below a name is a credential."""
        if self._patterns is not None:
            return self._is_credential(name, "x")
        return _is_strong_credential_name(name)

    def _redact_list(self, name: str, items: list[Plain]) -> list[Plain]:
        """Each item under the name of the list, or under that of the option before it, as in ``sys.argv``."""
        if not self._is_strong(name) and _NUMBERS.issuperset(map(type, items)):
            return items
        redacted, option = [], ""
        for item in items:
            redacted.append(self._redact(option or name, item))
            is_option = isinstance(item, str) and item.startswith("--") and "=" not in item
            option = item if is_option else ""
        return redacted


def _texts_to_redact(value: Plain) -> Iterator[str]:
    """Every text and number in a plain value, as text."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts_to_redact(item)
    elif value not in ("", None):
        yield str(value)


def _changed_by_redaction(old: Plain, new: Plain) -> Plain:
    return old if new == old else new


_DEFAULT = CredentialRule()


def redact(name: str, value: Plain) -> Plain:
    """:meth:`CredentialRule.redact` by the default rule."""
    return _DEFAULT.redact(name, value)


# What earlier versions stored


def _redact_marked(
    parameters: Mapping[str, Plain], metadata: Mapping[str, Mapping[str, Plain]]
) -> dict[str, Plain]:
    return {
        name: REDACTED if metadata.get(name, {}).get("credential") else value
        for name, value in parameters.items()
    }


def redact_configuration(configuration: Configuration) -> Configuration:
    """The configuration without the values that are marked as credentials, which earlier versions stored."""
    if not any("credential" in fields for fields in configuration.metadata.values()):
        return configuration
    return replace(configuration, parameters=_redact_marked(configuration.parameters, configuration.metadata))


def redact_run(run: Run) -> Run:
    """The run without the values that are marked as credentials, which earlier versions stored."""
    configuration = redact_configuration(run.configuration)
    if configuration is run.configuration:
        return run
    return replace(
        run, configuration=configuration, parameters=_redact_marked(run.parameters, configuration.metadata)
    )
