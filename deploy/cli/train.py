"""``train``: make the weights of the linear judge anew."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli import Told
from deploy.cli.terminal import terminal
from pipelines.judges.linear import WEIGHTS

NAME = "linear@1"


def train(
    data: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder with the rows of others. [default: the seed alone]"),
    ] = None,
    output: Annotated[Path, typer.Option(help="Where the weights go.")] = WEIGHTS,
) -> None:
    """Learn the weights of the linear judge from the seed; the same examples give the same bytes."""
    try:
        from deploy.judging import examples  # noqa: PLC0415  # scikit-learn is for developers
        from deploy.judging import train as training  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Told(f"{error.name} is missing: train in a checkout, where `./run` installs it") from None
    found = [*examples.seeds(), *(examples.shipped(data) if data else [])]
    console = terminal()
    with console.status(f"learning from {len(found):,} messages"):
        trained = training.train(found, name=NAME)
    output.write_bytes(training.written(trained.model))
    model = trained.model
    console.print(f"{output}: {output.stat().st_size:,} bytes, sha256 {training.digest(output)}", soft_wrap=True)
    console.print(
        f"temperature {model.temperature}, noise from {model.noise_from}, doubt below {model.doubt}", highlight=False
    )
