"""``dead``: what could not be used, and what to do with it."""

import json
import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import click
import typer
from rich.table import Column
from rich.text import Text

from deploy.cli import Told, options, read_settings
from deploy.cli.reach import ask
from deploy.cli.terminal import harmless, moment, terminal
from deploy.cli.terminal import table as terminal_table
from deploy.settings import Settings
from schemas.dead import DeadState

app = typer.Typer(help="Dead letters: what could not be used, kept with its reason.", no_args_is_help=True)

Letter = Annotated[UUID, typer.Argument(help="Id of the dead letter, see `dead list`.")]
Letters = Annotated[list[UUID] | None, typer.Argument(help="Ids of dead letters, see `dead list`.")]
Stage = Annotated[str | None, typer.Option(help="Only those that died at this stage.")]
Reason = Annotated[str | None, typer.Option(help="Only those with exactly this reason, see `dead summary`.")]
State = Annotated[DeadState | None, typer.Option(help="Only those in this state.")]

_AT_ONCE = 200
"""Letters that are asked for at a time: the bytes of each are read, and the answer must come in time."""

_STATES = {
    DeadState.WAITING: "",
    DeadState.ASKED: "asked to go round again; ",
    DeadState.SENT: "sent round again; ",
}


@app.command("list")
def list_(
    stage: Stage = None,
    reason: Reason = None,
    state: State = None,
    data: options.Data = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    as_json: options.Json = False,
) -> None:
    """List dead letters, newest first."""
    found = ask(read_settings(data=data), "/api/dead", params=_given(stage, reason, state) | {"limit": limit})
    if as_json:
        print(json.dumps(found["items"]))
        return
    console = terminal()
    if not found["items"]:
        console.print("no dead letters")
        return
    table = terminal_table(Column("id", no_wrap=True, min_width=36), "last time", "tries", "stage", "reason")
    for item in found["items"]:
        said = harmless(f"{_STATES[DeadState(item['state'])]}{item['reason']}")
        table.add_row(item["id"], moment(item["last_at"]), str(item["tries"]), item["stage"], Text(said))
    console.print(table)
    if found["next_cursor"]:
        console.print(f"... and more than these {limit}", style="dim")
    console.print(
        "\nto see one: ./run dead show ID; then: ./run dead requeue ID, ./run dead edit ID, or ./run dead drop ID",
        style="dim",
    )


@app.command()
def summary(
    stage: Stage = None,
    reason: Reason = None,
    state: State = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Count dead letters by stage and reason."""
    items = _kinds(read_settings(data=data), _given(stage, reason, state))
    if as_json:
        print(json.dumps(items))
        return
    console = terminal()
    if not items:
        console.print("no dead letters")
        return
    table = terminal_table("waiting", "asked", "sent", "stage", "reason")
    for item in items:
        counts = (f"{item[name]:,}" for name in ("waiting", "asked", "sent"))
        table.add_row(*counts, item["stage"], Text(harmless(item["reason"])))
    console.print(table)
    console.print('\nto send one kind round again: ./run dead requeue --stage STAGE --reason "REASON"', style="dim")


@app.command()
def show(letter: Letter, data: options.Data = None, as_json: options.Json = False) -> None:
    """Show one dead letter with its original bytes, and the edited ones."""
    found = ask(read_settings(data=data), f"/api/dead/{letter}")
    if as_json:
        print(json.dumps(found))
        return
    edited = found.pop("edited") or {}
    for name, value in (found | {f"edited {form}": content for form, content in edited.items()}).items():
        terminal().print(Text.assemble((f"{name:>13}  ", "dim"), harmless(str(value))), soft_wrap=True)


@app.command()
def edit(
    letter: Letter,
    file: Annotated[
        typer.FileBinaryRead | None, typer.Option(help="File with the bytes, - for standard input; else $EDITOR.")
    ] = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Give a dead letter other bytes to go round with; the original ones stay beside them."""
    settings = read_settings(data=data)
    found = ask(settings, f"/api/dead/{letter}")
    body = file.read() if file is not None else _edited(found)
    try:
        given = {"text": body.decode()}
    except UnicodeDecodeError:
        given = {"base64": b64encode(body).decode()}
    headers = {"If-Match": f'"{found["version"]}"'}
    changed = ask(settings, f"/api/dead/{letter}", method="PATCH", json=given, headers=headers)
    if as_json:
        print(json.dumps(changed))
    elif changed["unfit"]:
        terminal().print(harmless(f"{letter} is edited; not fit to go yet: {changed['unfit']}"), soft_wrap=True)
    else:
        terminal().print(f"{letter} is edited; to send it round again: ./run dead requeue {letter}", soft_wrap=True)


@app.command()
def requeue(
    letters: Letters = None,
    stage: Stage = None,
    reason: Reason = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Send dead letters round again: some by id, or all that wait, by stage and reason."""
    settings = read_settings(data=data)
    if _by_id(letters, stage, reason):
        count = _each(letters or [], lambda letter: ask(settings, f"/api/dead/{letter}/requeue", method="POST"))
        _say(as_json, {"asked": count, "refused": 0}, [f"{letter} goes round again" for letter in letters or []])
        return
    done = {"asked": 0, "refused": 0}
    cursor: str | None = None
    while True:
        given = _given(stage, reason) | {"limit": _AT_ONCE} | ({"cursor": cursor} if cursor else {})
        answer = ask(settings, "/api/dead/requeue", method="POST", json=given)
        done = {name: count + answer[name] for name, count in done.items()}
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    said = [f"{done['asked']:,} go round again"]
    if done["refused"]:
        said.append(
            f"{done['refused']:,} would die again at once: see one with `./run dead show ID`, then edit or drop it"
        )
    _say(as_json, done, said)


@app.command()
def drop(
    letters: Letters = None,
    stage: Stage = None,
    reason: Reason = None,
    state: State = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before many are dropped.")] = False,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Delete dead letters for good: some by id, or all of a kind."""
    settings = read_settings(data=data)
    if _by_id(letters, stage, reason):
        if state is not None:
            raise Told("--state goes with --stage or --reason, not with ids")
        count = _each(letters or [], lambda letter: ask(settings, f"/api/dead/{letter}", method="DELETE"))
        _say(as_json, {"dropped": count}, [f"{letter} is gone" for letter in letters or []])
        return
    kind = _given(stage, reason, state)
    if not yes:
        many = sum(item["letters"] for item in _kinds(settings, kind))
        typer.confirm(f"Drop {many:,} dead letters for good?", abort=True, err=True)
    dropped = 0
    while True:
        answer = ask(settings, "/api/dead/drop", method="POST", json=kind)
        dropped += answer["dropped"]
        if not answer["left"] or not answer["dropped"]:
            break
    _say(as_json, {"dropped": dropped}, [f"{dropped:,} are gone"])


def _given(stage: str | None, reason: str | None, state: DeadState | None = None) -> dict[str, str]:
    given = {"stage": stage, "reason": reason, "state": state}
    return {name: str(value) for name, value in given.items() if value is not None}


def _kinds(settings: Settings, kind: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(settings, "/api/dead/summary", params=kind)["items"]
    return found


def _by_id(letters: list[UUID] | None, stage: str | None, reason: str | None) -> bool:
    """Tell whether letters are meant by id, not by kind; raises Told for both, and for neither."""
    by_kind = stage is not None or reason is not None
    if bool(letters) == by_kind:
        raise Told("say which: ids (see `./run dead list`), or --stage and --reason (see `./run dead summary`)")
    return bool(letters)


def _each(letters: list[UUID], work: Callable[[UUID], Any]) -> int:
    """Do it for each letter, also behind one that fails; raises Told with what failed."""
    wrong = []
    for letter in letters:
        try:
            work(letter)
        except Told as error:
            wrong.append(f"{letter}: {error}" if len(letters) > 1 else str(error))
    if wrong:
        done = f"; the other {len(letters) - len(wrong)} are done" if len(letters) > 1 else ""
        raise Told(harmless("\n".join(wrong)) + done)
    return len(letters)


def _say(as_json: bool, counts: dict[str, int], sentences: list[str]) -> None:
    if as_json:
        print(json.dumps(counts))
        return
    for sentence in sentences:
        terminal().print(sentence, soft_wrap=True)


def _edited(found: dict[str, Any]) -> bytes:
    """Let a person edit the bytes as they are now."""
    present = found["edited"] or found
    if "base64" in present:
        raise Told("its bytes are no text: mend them in a file, and give that with --file")
    if not sys.stdin.isatty():
        raise Told("there is no terminal for an editor: give the bytes with --file, or --file - through a pipe")
    text: str = present["text"]
    given = click.edit(text, extension=".json")
    if given is None:
        raise Told("nothing was edited")
    return given.removesuffix("\n").encode() if not text.endswith("\n") else given.encode()
