"""Who may ask: the token, and pages of other sites."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import secrets

_LOCAL = {"localhost"}


def is_local(host: str) -> bool:
    """Tell whether an address is only this machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOCAL


def make_token() -> str:
    """Make a token that nobody guesses."""
    return secrets.token_urlsafe(24)


class Access:
    """Decides on a request by its headers.

    Parameters
    ----------
    token
        What a client must know; empty where nobody is asked.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    @property
    def needs_token(self) -> bool:
        """Whether a client is asked for a token."""
        return bool(self._token)

    def knows_token(self, authorization: bytes) -> bool:
        """Tell whether a client knows the token: as ``Bearer``, or as the password of ``Basic`` (browsers)."""
        if not self._token:
            return True
        scheme, _, given = authorization.partition(b" ")
        given = given.strip()
        if scheme.lower() == b"basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(given, self._token)

    @staticmethod
    def is_foreign(origin: bytes, host: bytes) -> bool:
        """Tell whether a page of another site asks, which a browser lets it do without the user's knowledge."""
        return bool(origin) and origin.partition(b"://")[2].lower() != host.lower()
