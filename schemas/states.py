"""What a replica of a role says of itself, every few seconds, to whoever watches the pipeline."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,60}$")]


class RoleState(BaseModel):
    """Durations in seconds instead of moments: nobody's clock is trusted.

    ``trouble`` names the error that has kept the role from its work for ``trouble_seconds``; None: all goes well.
    """

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    role: Name
    replica: Name
    up_seconds: float
    trouble: Name | None = None
    trouble_seconds: float = 0.0
