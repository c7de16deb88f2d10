"""From a notebook cell to a model that is checked, versioned and served.

The API is that of VESSL's Model Serving SDK: ``import vessl_nb as vessl``. In a notebook ``%load_ext vessl_nb`` adds
the magics. Importing this module imports nothing heavy: each name brings what it needs when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vessl_nb.belongings import Captures, captures, preview
    from vessl_nb.checking import check
    from vessl_nb.errors import VesslError
    from vessl_nb.loading import LoadedModel, captured, load
    from vessl_nb.notebook.register_form import register_form
    from vessl_nb.notebook.versions_table import versions_table
    from vessl_nb.registration import register_model, register_torch_model
    from vessl_nb.registry.listing import versions
    from vessl_nb.registry.models import (
        archive,
        create_model,
        delete_model,
        list_models,
        read_model,
        set_alias,
        unarchive,
        upload_model_volume_file,
    )
    from vessl_nb.registry.purge import purge
    from vessl_nb.registry.version import Version
    from vessl_nb.runner import RunnerBase
    from vessl_nb.serving.launch import Server, serve
    from vessl_nb.serving.serve_model import serve_model
    from vessl_nb.stages import Preview

__all__ = [
    "Captures",
    "LoadedModel",
    "Preview",
    "RunnerBase",
    "Server",
    "Version",
    "VesslError",
    "archive",
    "captured",
    "captures",
    "check",
    "create_model",
    "delete_model",
    "list_models",
    "load",
    "preview",
    "purge",
    "read_model",
    "register_form",
    "register_model",
    "register_torch_model",
    "serve",
    "serve_model",
    "set_alias",
    "unarchive",
    "upload_model_volume_file",
    "versions",
    "versions_table",
]

__version__ = "0.1.0"

_HOMES = {
    "Captures": "belongings",
    "LoadedModel": "loading",
    "Preview": "stages",
    "RunnerBase": "runner",
    "Server": "serving.launch",
    "Version": "registry.version",
    "VesslError": "errors",
    "archive": "registry.models",
    "captured": "loading",
    "captures": "belongings",
    "check": "checking",
    "create_model": "registry.models",
    "delete_model": "registry.models",
    "list_models": "registry.models",
    "load": "loading",
    "preview": "belongings",
    "purge": "registry.purge",
    "read_model": "registry.models",
    "register_form": "notebook.register_form",
    "register_model": "registration",
    "register_torch_model": "registration",
    "serve": "serving.launch",
    "serve_model": "serving.serve_model",
    "set_alias": "registry.models",
    "unarchive": "registry.models",
    "upload_model_volume_file": "registry.models",
    "versions": "registry.listing",
    "versions_table": "notebook.versions_table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'vessl_nb' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"vessl_nb.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics: ``%load_ext vessl_nb``."""
    from vessl_nb.notebook.extension import load_extension  # noqa: PLC0415  # IPython comes only with a shell

    load_extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything away again: ``%unload_ext vessl_nb``."""
    from vessl_nb.notebook.extension import unload_extension  # noqa: PLC0415  # as above

    unload_extension(shell)
