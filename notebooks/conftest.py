"""Each notebook is tested with a registry of its own; its kernel inherits what is set here while it starts.

Its cells are counted, as they are for a user: what the notebooks show says in which cell a name was defined.
"""

import tempfile

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """Surround what starts the notebook's kernel: the setup of its first cell."""
    notebook = item.parent
    if notebook.kernel is not None:
        return (yield)
    scratch = tempfile.TemporaryDirectory(prefix="vessl_nb-notebook-", ignore_cleanup_errors=True)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("VESSL_NB_REGISTRY", "VESSL_NB_CACHE", "IPYTHONDIR"):
            environment.setenv(name, f"{scratch.name}/{name}")
        environment.setenv("TMPDIR", scratch.name)
        environment.delenv("VESSL_NB_ORGANIZATION", raising=False)
        result = yield
    execute = notebook.kernel.kc.execute
    # nbval runs cells without counting them, and has no option that says otherwise.
    notebook.kernel.kc.execute = lambda code, **options: execute(code, **{**options, "store_history": True})
    notebook.addfinalizer(scratch.cleanup)
    return result
