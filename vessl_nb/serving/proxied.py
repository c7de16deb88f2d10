"""Where a server is found on a hub: behind the notebook's own server, by way of jupyter-server-proxy.

See https://jupyter-server-proxy.readthedocs.io/en/latest/arbitrary-ports-hosts.html for the addresses.
"""

from __future__ import annotations

import importlib.util
import os
import urllib.parse


def proxied_path(url: str) -> str:
    """Say below which address of the notebook's server another server is.

    Parameters
    ----------
    url
        The other server's, such as ``http://127.0.0.1:8000``.

    Returns
    -------
    str
        Such as ``/user/ada/proxy/8000/``, with the host before it where the hub says which that is; without the slash
        at its start where only the front end knows what stands before it; empty where nothing leads there.
    """
    port = urllib.parse.urlsplit(url).port
    base = os.environ.get("JUPYTERHUB_PUBLIC_URL") or os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    # Hubs have the proxy beside their notebooks' server, where this process cannot look; elsewhere it is a guess.
    if not base and importlib.util.find_spec("jupyter_server_proxy") is None:
        return ""
    base = base or urllib.parse.urlsplit(os.environ.get("JUPYTER_SERVER_URL", "")).path
    return f"{base}{'/' if base and not base.endswith('/') else ''}proxy/{port}/"
