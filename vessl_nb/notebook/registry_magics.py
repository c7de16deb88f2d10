"""The magics of the registry: each gathers arguments, calls one function, and gives back what it returns."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from typing import TYPE_CHECKING

from IPython.core.magic import line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments

import vessl_nb as vessl  # whose names bring what they need at the first use: %load_ext is to be quick
from vessl_nb.errors import InvalidArgument
from vessl_nb.notebook.arguments import parse_tags, parse_target
from vessl_nb.notebook.interrupted import Registering, interruptible
from vessl_nb.notebook.live import refuse_live
from vessl_nb.notebook.notebook_magics import NotebookMagics
from vessl_nb.notebook.typed import typed
from vessl_nb.runner import check_runner, overrides
from vessl_nb.spelling import spoken_in

if TYPE_CHECKING:
    from argparse import Namespace

    from vessl_nb.checking import CheckReport
    from vessl_nb.loading import LoadedModel
    from vessl_nb.notebook.form_widget import RegisterForm
    from vessl_nb.notebook.versions_table import VersionsTable as LiveTable
    from vessl_nb.registry.listing import VersionsTable
    from vessl_nb.registry.version import Version


@magics_class
class RegistryMagics(NotebookMagics):
    """The magics that register, and those that need only the registry."""

    @magic_arguments()
    @argument(
        "repository",
        nargs="?",
        help="The model repository, with a number to overwrite a model: iris, iris:3, org/iris; needed without --form.",
    )
    @argument(
        "--runner", "-r", metavar="NAME", help="The runner; the marked one, or the notebook's only one, if left out."
    )
    @argument("--model", "-m", metavar="EXPR", help="The model; the notebook's only one, if left out.")
    @argument("--sample", "-s", metavar="EXPR", action="append", help="An example to keep; may be given again.")
    @argument(
        "--tag",
        "-t",
        metavar="NAME=VALUE",
        action="append",
        help="What to say of it: a number as in 0.97 or 1e-3, else text, as 1.10; may be given again.",
    )
    @argument("--alias", "-a", metavar="NAME", action="append", help="A name to point at it; may be given again.")
    @argument("--description", "-d", metavar="TEXT", help="What it is, in words.")
    @argument("--requirement", metavar="LINE", action="append", help="A package it needs; may be given again.")
    @argument("--artifacts", metavar="EXPR", help="Files to take along: a dictionary of local paths to volume paths.")
    @argument("--env", metavar="NAME", action="append", help="An environment variable it needs; may be given again.")
    @argument("--check", action=BooleanOptionalAction, help="Whether to try the examples in a clean process first.")
    @argument(
        "--examples", action=BooleanOptionalAction, help="Whether to keep the examples; they are tried all the same."
    )
    @argument("--form", action="store_true", help="Show a form, filled in with the rest of the line.")
    @typed
    @line_magic
    def vessl_register(self, arguments: Namespace) -> Version | RegisterForm:
        """Register the notebook's runner and model as a new version.

            %vessl_register iris
            %vessl_register iris --tag accuracy=0.97 --alias champion
            %vessl_register iris --requirement 'numpy>=2' --env API_KEY
            %vessl_register --form

        The samples that passed the last preview are kept as its examples, unless
        others are given. Before anything is registered, a clean process has to
        give the same answers to them. If anything fails, nothing is registered.

        Packages that the code and the model import are found by themselves, and
        --requirement adds to them. Of an environment variable only the name is
        kept. {name} and $name stand for the notebook's variables.

        %config VesslMagics shows what may be set once for all registrations.
        --form asks for all of it in a form, which shows the line that does the same.

        Returns the version: its .reference is what %vessl_load takes.
        Next: %vessl_versions iris, %vessl_load iris, or %vessl_alias iris:1 champion.
        """
        artifacts = self.evaluate(arguments.artifacts, "--artifacts") if arguments.artifacts is not None else None
        check = self.check if arguments.check is None else arguments.check
        store_examples = self.store_examples if arguments.examples is None else arguments.examples
        if arguments.form:
            if not self.live:
                refuse_live("%vessl_register --form")
            with spoken_in(""):  # as everything that it says later
                return vessl.register_form(
                    arguments.repository,
                    runner=arguments.runner,
                    model=arguments.model,
                    samples=arguments.sample,
                    artifacts=artifacts,
                    requirements=arguments.requirement,
                    tags=parse_tags(arguments.tag),
                    aliases=arguments.alias,
                    description=arguments.description or "",
                    env=arguments.env,
                    check=check,
                    store_examples=store_examples,
                )
        if arguments.repository is None:  # argparse says it so where something is always needed
            raise InvalidArgument(
                "%vessl_register: the following arguments are required: repository",
                "%vessl_register? shows what it takes.",
            )
        target = parse_target(arguments.repository)
        name = self.choose_runner(arguments.runner, "--runner")
        runner = check_runner(self.evaluate(name, "--runner"))
        # One that only reads files gets none, for a model that has its files.
        reads_files = target.number is not None and overrides(runner, "load_model")
        model = None
        if not reads_files or overrides(runner, "save_model") or arguments.model is not None:
            model = self.choose_model(name, arguments, required=not reads_files)
        samples = self.choose_examples(name, arguments.sample or [])
        with interruptible("%vessl_register", Registering(target.organization, target.repository).look):
            return vessl.register_model(
                target.repository,
                target.number,
                runner,
                model,
                arguments.requirement,
                artifacts,
                sample=samples or None,
                tags=parse_tags(arguments.tag),
                aliases=arguments.alias,
                description=arguments.description or "",
                env=arguments.env,
                check=check,
                store_examples=store_examples,
                organization_name=target.organization,
            )

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:champion, iris:3@1, org/iris:3.")
    @argument("--record", action="store_true", help="Keep the result with the version, whatever it is.")
    @typed
    @line_magic
    def vessl_check(self, arguments: Namespace) -> CheckReport:
        """Try a version's examples once more, in a clean process.

            %vessl_check iris:3
            %vessl_check iris:champion --record

        A new process, without the notebook and its environment, and as if only
        the packages that the version requires were installed, loads it and answers
        its examples. The answers are compared with those of when it was
        registered. Where they differ, the magic fails, and says why.

        Returns a report; its .check says how it went.
        Next: %vessl_load iris:3, or, where it failed, %vessl_register again.
        """
        return vessl.check(arguments.reference, record=arguments.record)

    @magic_arguments()
    @argument("repository", nargs="?", help="The model repository; all of them, if left out.")
    @typed
    @line_magic
    def vessl_versions(self, arguments: Namespace) -> VersionsTable | LiveTable:
        """Show the versions of a model repository, newest first.

            %vessl_versions
            %vessl_versions iris
            table = %vessl_versions iris

        In a notebook the table can be sorted, searched and opened, and stays up
        to date. %config VesslMagics.live = False shows it as static HTML.

        Returns the table: what is selected in it is its .selected. As a data
        frame the versions are vessl_nb.versions("iris").
        Next: %vessl_load iris:3, or %vessl_alias iris:3 champion.
        """
        if self.live and getattr(self._shell, "kernel", None) is not None:
            return vessl.versions_table(arguments.repository)
        from vessl_nb.registry.listing import VersionsTable  # noqa: PLC0415  # as quick as above

        return VersionsTable(arguments.repository)  # a terminal draws no widgets

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:champion, iris:3@1, org/iris:3.")
    @argument("--device", metavar="NAME", help="Where tensors go, such as cpu or cuda:1.")
    @typed
    @line_magic
    def vessl_load(self, arguments: Namespace) -> LoadedModel:
        """Load a version, to answer requests with it here.

            model = %vessl_load iris:champion
            model.run({"x": [5.1, 3.5, 1.4, 0.2]})

        It is as it was registered: what has changed in this notebook since, its
        runner's class included, makes no difference. Loading runs the version's
        code: load what you trust.

        Returns the model, with .run(data), .preview(data), .model and .version.
        """
        return vessl.load(arguments.reference, arguments.device)

    @magic_arguments()
    @argument("reference", help="The version: iris (the newest), iris:3, iris:3@1, org/iris:3, or another alias.")
    @argument("alias", help="The name that is to point at it.")
    @typed
    @line_magic
    def vessl_alias(self, arguments: Namespace) -> Version:
        """Let an alias point at a version; it moves where it pointed at another.

            %vessl_alias iris:3 champion
            %vessl_alias iris:challenger champion

        An alias is a name, never a number. Whoever loads iris:champion gets the
        version that it points at then.

        Returns the version, with its .aliases.
        Next: %vessl_load iris:champion.
        """
        return vessl.set_alias(arguments.reference, arguments.alias)
