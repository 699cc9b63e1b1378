"""``sources``: the configured inlets."""

import json
from typing import Annotated, Any

import typer

from deploy.cli import Told, options, read_settings
from deploy.cli.reach import ask
from deploy.cli.terminal import table, terminal

app = typer.Typer(help="Sources: the configured inlets of the channels.", no_args_is_help=True)


@app.command("list")
def list_(data: options.Data = None, as_json: options.Json = False) -> None:
    """List the sources."""
    found = ask(read_settings(data=data), "/api/sources")
    if as_json:
        print(json.dumps(found["items"]))
        return
    console = terminal()
    if not found["items"]:
        console.print("no sources yet: an import and POST /api/messages register theirs, `./run sources add` does, too")
        return
    shown = table("source", "channel", "state")
    for item in found["items"]:
        shown.add_row(item["slug"], item["channel"], item["state"])
    console.print(shown)


@app.command()
def add(
    channel: Annotated[str, typer.Argument(help="Channel of the source: webhook.")],
    slug: Annotated[str, typer.Argument(help="Name of the source: a-z, 0-9 and -.")],
    secret: Annotated[
        list[str] | None, typer.Option(help="Secret of the inlet (whsec_...); several to rotate.")
    ] = None,
    settings: Annotated[str, typer.Option(help="Settings of the channel, as JSON.")] = "{}",
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Register a source, or change the one of that name."""
    try:
        given: dict[str, Any] = json.loads(settings)
    except ValueError as error:
        raise Told(f"--settings is no JSON: {error}") from error
    body = {"slug": slug, "channel": channel, "settings": given, "secret": secret or None}
    found = ask(read_settings(data=data), "/api/sources", method="POST", json=body)
    if as_json:
        print(json.dumps(found))
        return
    where = f", takes messages at {found['url']}" if found.get("url") else ""
    terminal().print(f"source {slug} of channel {channel}{where}", soft_wrap=True)
