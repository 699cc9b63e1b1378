"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Data: TypeAlias = Annotated[
    Path | None, typer.Option(help="Folder of the embedded servers, their logs and the token. [default: .local]")
]
Port: TypeAlias = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port of the page and the api; the next free one if taken, 0: any.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
