"""What a server tells of its version: no path of the machine, no password, and no key that a runner let out."""

from __future__ import annotations

import pytest
from http_socket import get

import vessl_nb as vessl
from vessl_nb.serving.description import _without_address

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"


class LetsOut(vessl.RunnerBase):
    """Tells a key once a file is gone."""

    @staticmethod
    def predict(model, data):
        from pathlib import Path

        if not Path(model["file"]).exists():
            raise ValueError("this key is refused: " + "sk-proj-" + "abcdefghijklmnopqrstuvwxyz0123456789ABCD")
        return data


def test_a_key_in_a_runners_words_is_masked_wherever_the_server_tells_them(tmp_path):
    file = tmp_path / "there"
    file.write_text("")
    vessl.register_model("lets", None, LetsOut, {"file": str(file)}, sample=1, check=False)
    file.unlink()
    with vessl.serve("lets") as server:
        told = [server.remark, server.metadata()["server"]["remark"], server._repr_html_()]
        assert all("this key is refused" in words and "***" in words for words in told)
        assert not [words for words in told if KEY in words]
        assert KEY not in get(server.url, "/metadata").body.decode()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("numpy==2.1.0", "numpy==2.1.0"),
        ("pandas[parquet]>=2,<3; python_version<'4'", "pandas[parquet]>=2,<3; python_version<'4'"),
        ("x @ git+https://ada:ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com/x", "x @ git+https://github.com/x"),
        ("x[a] @ https://token@host:8080/x-1.0.whl?sig=abc#sha256=1 ; python_version<'4'", "x[a] @ https://host:8080/x-1.0.whl ; python_version<'4'"),
        ("x @ git+https://host/x.git@v1.0", "x @ git+https://host/x.git@v1.0"),
        ("y @ file:///home/ada/y-1.0.whl", "y @ …/y-1.0.whl"),
        ("y @ file://localhost/home/ada/y-1.0.whl", "y @ …/y-1.0.whl"),
        ("y@/home/ada/y-1.0.whl", "y @ …/y-1.0.whl"),
        ("y @ git+file:///home/ada/y", "y @ …/y"),
    ],
)  # fmt: skip
def test_of_a_requirement_at_an_address_no_path_and_no_password_is_told(line, told):
    assert _without_address(line) == told


def test_the_requirements_that_are_told_have_no_credentials():
    lines = ["msgspec @ git+https://ada:pass@host/x", "pytest @ file:///home/ada/y.whl"]  # what is installed here
    vessl.register_model("needs", None, LetsOut, {"file": "/"}, lines, sample=1, check=False)
    with vessl.serve("needs") as server:
        told = server.metadata()["version"]["requirements"]
        assert "msgspec @ git+https://host/x" in told
        assert "pytest @ …/y.whl" in told
        body = get(server.url, "/metadata").body.decode()
        assert not [secret for secret in ("ada", "pass@") if secret in body]
