"""Who may ask: the token, pages of other sites, and the name that the server is asked by."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import os
import secrets

OPEN_PATHS = ("/health/live", "/health/ready")
"""The paths that answer without a token: whatever watches over servers asks them."""

_LOCAL = {"localhost"}
_PORTS = {b"http": b":80", b"https": b":443"}  # which an origin leaves out
_MOST_HOSTS = 64


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
        # Who knows the token may ask by any name. On a hub, other machines' browsers ask by the hub's.
        self._takes_any_host = bool(token) or "JUPYTERHUB_SERVICE_PREFIX" in os.environ
        self._good_hosts = {b""}  # a browser always says by which name it asks

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

    def takes_host(self, host: bytes) -> bool:
        """Tell whether a request may ask by a name: without a token, only by one of this machine's own.

        A page's own name may be made to lead here (DNS rebinding): to a browser this server then is that page's site.

        Parameters
        ----------
        host
            The header of that name; empty where there is none.
        """
        return self._takes_any_host or host in self._good_hosts or self._is_own(host)

    def _is_own(self, host: bytes) -> bool:
        text = host.decode("latin-1").lower()
        name = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
        if not (is_local(name) or name.endswith(".localhost")):
            return False
        if len(self._good_hosts) < _MOST_HOSTS:
            self._good_hosts.add(host)
        return True

    def is_foreign(self, origin: bytes, host: bytes, authorization: bytes) -> bool:
        """Tell whether a page of another site asks, which a browser lets it do without the user's knowledge.

        Parameters
        ----------
        origin, host, authorization
            The headers of those names. A browser sends a password by itself, but no bearer's token: who sends the right
            one, which is for `knows_token` to say, was given it.
        """
        if not origin or (self._token and authorization[:7].lower() == b"bearer "):
            return False
        scheme, _, name = origin.lower().partition(b"://")
        return host.lower() not in {name, name + _PORTS.get(scheme, b"")}
