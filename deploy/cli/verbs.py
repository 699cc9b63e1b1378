"""The catalogue of verbs."""

import typer

from deploy.cli import (
    bench,
    classify,
    dead,
    demo,
    dev,
    doctor,
    imports,
    migrate,
    provision,
    reconcile,
    roles,
    sources,
    status,
    test,
    up,
)

app = typer.Typer(
    name="tasktracker",
    help="Turns a team's messages into tasks, live, with nothing lost and nothing twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("run")(roles.run)
app.command("dev")(dev.dev)
app.command("migrate")(migrate.migrate)
app.command("provision")(provision.provision)
app.command("import")(imports.import_)
app.add_typer(dead.app, name="dead")
app.add_typer(sources.app, name="sources")
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("reconcile")(reconcile.reconcile)
app.command("classify")(classify.classify)
app.add_typer(bench.app, name="bench")
app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(test.test)
