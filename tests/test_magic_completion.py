"""What Tab offers after a magic, on a real shell."""

from __future__ import annotations

import pytest

REGISTER_OPTIONS = [
    "--runner", "--model", "--sample", "--tag", "--alias", "--description", "--requirement", "--artifacts", "--env",
    "--check", "--no-check", "--examples", "--no-examples", "--form",
]  # fmt: skip
REFERENCES = ["iris", "iris:1", "iris:2", "iris:challenger", "iris:champion", "lab/other", "lab/other:1"]


class TestCompletion:
    @pytest.fixture
    def filled(self, notebook):
        notebook("sample = {'x': [1]}; files = {'a': 'b'}")
        notebook("%vessl_register iris --alias champion;\n%vessl_register iris --alias challenger;")
        notebook("%vessl_register lab/other;")
        return notebook

    @pytest.mark.parametrize(
        ("text", "offered"),
        [
            ("%vessl_register --", sorted(REGISTER_OPTIONS)),
            ("%vessl_register iris ", sorted(REGISTER_OPTIONS)),
            ("%vessl_register iris --a", ["--alias", "--artifacts"]),
            ("%vessl_register iris --no", ["--no-check", "--no-examples"]),
            ("%vessl_register --no-check i", ["iris"]),
            ("%vessl_captures ", ["--model", "--runner"]),
            ("%vessl_captures --runner ", ["Iris"]),
            ("%vessl_check iris:ch", ["iris:challenger", "iris:champion"]),
            ("%vessl_check --record lab/other:", ["lab/other:1"]),
            ("%vessl_check iris --", ["--record"]),
            ("v = %vessl_register iris --ru", ["--runner"]),
            ("%%vessl_runner --", ["--model", "--sample"]),
            ("%%vessl_runner ", ["--model", "--sample"]),
            ("%vessl_runner ", ["Iris"]),
            ("%vessl_runner Iris ", ["--model", "--sample"]),
            ("%vessl_register iris --runner I", ["Iris"]),
            ("%vessl_register iris -r ", ["Iris"]),
            ("%vessl_register iris --model ", ["clf"]),
            ("%vessl_register iris --model=c", ["clf"]),
            ("%%vessl_runner --model c", ["clf"]),
            ("%%vessl_runner --model clf --sample sa", ["sample"]),
            ("%vessl_preview -s sam", ["sample"]),
            ("%vessl_register iris --artifacts fi", ["files"]),
            ("%vessl_register ", ["iris", "lab/other"]),
            ("%vessl_register i", ["iris"]),
            ("%vessl_register --tag a=1 i", ["iris"]),
            ("%vessl_register --sample '[1, 2]' i", ["iris"]),
            ("%vessl_versions l", ["lab/other"]),
            ("%vessl_load ", REFERENCES),
            ("%vessl_load iris:", ["iris:1", "iris:2", "iris:challenger", "iris:champion"]),
            ("%vessl_load iris:ch", ["iris:challenger", "iris:champion"]),
            ("%vessl_load iris:cham", ["iris:champion"]),
            ("%vessl_load lab/o", ["lab/other", "lab/other:1"]),
            ("%vessl_load lab/other:", ["lab/other:1"]),
            ("%vessl_alias iris:1 ch", ["challenger", "champion"]),
            ("%vessl_serve iris:ch", ["iris:challenger", "iris:champion"]),
            ("%vessl_serve iris --t", ["--timeout", "--token"]),
            ("server = %vessl_serve iris --port 0 --w", ["--workers"]),
            ("m = %vessl_load iris:ch", ["iris:challenger", "iris:champion"]),
            ("m['a'] = %vessl_load iris:cham", ["iris:champion"]),
            ("box.m = %vessl_load iris:cham", ["iris:champion"]),
            ("a, b = %vessl_load iris:cham", ["iris:champion"]),
            ("x = 1\n  %vessl_load iris:cham", ["iris:champion"]),
            ("%vessl_preview -s ", ["clf", "files", "sample"]),
            ("%vessl_serve iris --host ", [""]),
            ("%vessl_register iris --description sam", ["sam"]),
            ("%vessl_load nothing", ["nothing"]),
            ("%vessl_pre", ["%vessl_preview"]),
            ("%%vessl_", ["%%vessl_runner"]),
        ],
    )
    def test_tab_offers(self, filled, text, offered):
        assert filled.completions(text) == offered
        assert all(whole.startswith(text.rpartition("=")[0]) for whole in filled.complete(text))

    def test_inside_an_expression_pythons_own_names_are_offered(self, filled):
        assert "%vessl_preview --sample sample.items" in filled.complete("%vessl_preview --sample sample.it")

    def test_elsewhere_tab_works_as_ever(self, filled, bare):
        texts = ("samp", "import js", "x = sample.it", "%vessl_nothing samp", "sample['", "clf.fac", "print(samp")
        filled.complete("%vessl_load iris:ch")
        ours = [filled.complete(text) for text in texts]
        filled.complete("%vessl_load iris:ch")
        filled("%unload_ext vessl_nb")
        assert ours == [filled.complete(text) for text in texts]
        assert ours[0] == ["sample"]

    def test_a_broken_registry_offers_nothing_and_says_nothing(self, filled, tmp_path, monkeypatch):
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "format.json").write_text('{"format": 999}')
        monkeypatch.setenv("VESSL_NB_REGISTRY", str(tmp_path / "broken"))
        assert filled.run("%vessl_load iris").error
        assert "iris" not in filled.completions("%vessl_load ir")
