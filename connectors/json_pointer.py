"""JSON Pointer: the value at a path of a JSON document."""

import re
from typing import Annotated, Any

from pydantic import StringConstraints

Pointer = Annotated[str, StringConstraints(pattern=r"^(/([^~/]|~[01])*)*$", max_length=500)]

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def resolve(document: Any, pointer: str) -> Any:
    """Find the value that a pointer leads to; the empty one leads to the whole document.

    Raises LookupError when it leads nowhere. Source: RFC 6901.

    >>> resolve({"issue": {"labels": [{"a/b": 7}]}}, "/issue/labels/0/a~1b")
    7
    """
    value = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")  # in this order: "~01" is "~1"
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            raise LookupError(f"nothing at {pointer}")
    return value
