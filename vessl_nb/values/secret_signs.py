"""The signs of a secret: the forms that providers give their keys, and the names that people give theirs."""

from __future__ import annotations

import math
import re
from collections import Counter

_PATTERNS = {
    "a private key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----[\sA-Za-z0-9+/=\\]*"
    r"(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----)?",
    "a GitHub token": r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,})",
    "a GitLab token": r"(?<![\w-])glpat-[\w-]{16,}",
    "a Slack token": r"(?<![\w-])xox[abeoprs]-[A-Za-z0-9-]{8,}",
    "an AWS access key": r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}",
    "a Google API key": r"(?<![A-Za-z0-9])AIza[\w-]{30,}",
    "a Hugging Face token": r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{16,}",
    "a Stripe key": r"(?<![A-Za-z0-9])[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    # A digit, because words may be joined by dashes as well.
    "an API key": r"(?<![\w-])sk-(?=[\w-]*\d)[\w-]{16,}",
    "a JSON web token": r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    "a URL with a password": r"(?P<url>\b[A-Za-z][\w+.-]{0,30}://[^\s:/@\"']{0,200}:)(?!\*\*\*@)[^\s/@\"']{1,200}(?=@)",
    "a bearer token": r"(?P<bearer>\b[Bb]earer\s{1,3})(?:(?=[\w.~+/-]*\d)[\w.~+/-]{8,}|[\w.~+/-]{20,})=*",
}
FORMS = {kind: re.compile(form, re.ASCII) for kind, form in _PATTERNS.items()}
"""How secrets look that say of themselves what they are, by what they are."""

SIGNS = (
    *("PRIVATE KEY", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "AKIA", "ASIA", "AIza"),
    *("hf_", "k_live_", "k_test_", "sk-", "eyJ", "://", "earer", "'", '"'),
)
"""A text with none of these holds no secret of a known form, and no text in quotes: most need no second look."""

_WORDS = {
    *("token", "password", "passwd", "passphrase", "pwd", "secret", "secrets", "credential", "credentials"),
    *("apikey", "auth", "authkey", "authorization", "authtoken", "accesstoken"),
}
_KEYS = {"api", "private", "secret", "access", "auth", "encryption", "signing", "ssh", "account", "master", "license"}
"""Words that make a secret of the ``key`` that follows them."""

_MAYBE = {"key", "keys", "tokens", "pin", "passwords", "cookie", "session"}
"""Words that say nothing by themselves; with a value that looks random, they do."""

_NO_TOKENS = {
    *("pad", "eos", "bos", "unk", "sep", "cls", "mask", "start", "end", "stop", "special", "next", "first", "last"),
    *("oov", "sot", "eot", "blank", "begin", "unknown", "padding", "separator", "image", "input", "output", "prompt"),
}
"""What is before ``token`` where it is one of a language model's."""

_ABOUT = {
    *("url", "uri", "path", "file", "filename", "folder", "dir", "name", "env", "var", "variable", "type", "field"),
    *("header", "column", "label", "length", "len", "count", "size", "limit", "prefix", "suffix", "format", "regex"),
    *("pattern", "hint", "prompt", "policy", "method", "mode", "provider", "endpoint", "host", "scope", "index"),
    *("ids", "embedding", "text", "message", "error", "expiry", "required", "enabled"),
}
"""Last words of names that tell something about a secret, and are none."""

_PLACEHOLDER = re.compile(
    r"[\s.x*_-]*|<.*>|\$\w+|\$?\{.*\}|%\(.*\)s|(?:.*[-_ ])?your[-_ ].*|(?:insert|enter|replace)[-_ ].*here"
    r"|change[-_ ]?(?:me|it)|todo|tbd|none|null|dummy|placeholder|example|redacted|hidden|.*[x*.]{8,}",
    re.IGNORECASE | re.DOTALL,
)


def known_form(text: str) -> str:
    """Give what a secret in a text is, such as ``a GitHub token``; empty where it has none of a known form."""
    return next((kind for kind, form in FORMS.items() for found in form.finditer(text) if _is_real(found[0])), "")


def words_of(name: str) -> list[str]:
    """Take a name in snake or camel case apart."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", name)]


def secret_word(name: str) -> str:
    """Give the word in a name that says it is a secret; empty where none does."""
    words = words_of(name)
    if not words or words[-1] in _ABOUT:
        return ""
    for before, word in zip(["", *words], words, strict=False):
        if word == "key" and before in _KEYS:
            return f"{before} key"
        if word in _WORDS and not (word == "token" and before in _NO_TOKENS):
            return word
    return ""


def may_be_secret(name: str) -> bool:
    """Tell whether a name says nothing by itself, and with a value that looks random would say secret."""
    return bool(_MAYBE & set(words_of(name)[-1:]))


def is_placeholder(text: str) -> bool:
    """Tell whether a text only stands where a secret would: ``***``, ``<your key>``, ``${TOKEN}``."""
    return len(text) < 200 and bool(_PLACEHOLDER.fullmatch(text.strip()))  # noqa: PLR2004  # placeholders are short


def looks_random(text: str) -> bool:
    """Tell whether a text is as long and as irregular as a key."""
    if not re.fullmatch(r"[\w+/=-]{32,512}", text, re.ASCII) or not (
        re.search(r"\d", text) and re.search(r"[a-zA-Z]", text)
    ):
        return False
    counts = Counter(text)
    bits = -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
    return bits >= 3.0  # noqa: PLR2004  # of 4 for random hexadecimal digits, of 6 for base64


def _is_real(found: str) -> bool:
    return not re.search(r"([x*.0])\1{7}", found) and not found.endswith("}")
