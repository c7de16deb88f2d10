"""``serve_model``, as VESSL's SDK has it: a model by its number, on this machine."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from vessl_nb.errors import CannotServe, InvalidArgument
from vessl_nb.faces.words import one_line
from vessl_nb.registry.names import Reference, check_number, default_organization
from vessl_nb.registry.version import find_version
from vessl_nb.serving.launch import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.serving.launch import Server


def serve_model(
    repository_name: str,
    model_number: int,
    install_reqs: bool = False,  # noqa: FBT001, FBT002  # as the SDK has it
    remote: bool = False,  # noqa: FBT001, FBT002  # as the SDK has it
    organization_name: str | None = None,
) -> Server:
    """Serve a registered model on this machine.

    Parameters
    ----------
    repository_name
        The model repository.
    model_number
        The model's number.
    install_reqs
        Whether to install what the model requires first, with pip, into the environment that this process runs in.
    remote
        Whether to serve it on VESSL's cluster, which there is none of here.
    organization_name
        Whose repository it is; yours, if left out.

    Returns
    -------
    Server
        It answers already; see `vessl_nb.serve`, which takes an alias as well, and more options.

    Raises
    ------
    InvalidArgument
        ``remote`` is asked for, or the number is none.
    NotFound
        There is no such model.
    CannotServe
        What it requires cannot be installed, or it cannot be served here; says why.
    """
    if remote:
        raise InvalidArgument(
            "remote=True serves on VESSL's cluster, and vessl_nb has none: it serves on this machine.",
            "Leave remote out.",
        )
    number = check_number(model_number)
    reference = str(Reference(organization_name or default_organization(), repository_name, number))
    version = find_version(reference)
    if install_reqs and version.requirements:
        _install(version.reference, version.requirements)
    return serve(reference)


def _install(reference: str, requirements: Sequence[str]) -> None:
    """Install packages beside those that are here."""
    installer = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    if importlib.util.find_spec("pip") is None and (uv := shutil.which("uv")):  # environments that uv made have no pip
        installer = [uv, "pip", "install", "--python", sys.executable]
    print(f"Installing what {reference} requires: {', '.join(requirements)}", flush=True)  # noqa: T201  # it may take minutes
    # A requirement that began with a dash would be an option.
    done = subprocess.run([*installer, "--", *requirements], capture_output=True, text=True, check=False)  # noqa: S603  # no shell reads it
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        problem = next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "")
        raise CannotServe(
            f"What {reference} requires cannot be installed: {one_line(problem, 300)}",
            f"To see all of it: pip install {' '.join(map(shlex.quote, requirements))}",
        )
