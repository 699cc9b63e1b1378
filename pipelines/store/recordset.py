"""Many rows in one parameter: JSON, which ``json_to_recordset`` unpacks in the server.

Measured beside arrays with ``unnest``: 147 us of CPU a message in place of 383, for psycopg writes arrays in Python.
"""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json


def recordset(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows as a JSON array; raises ValueError for text that is no UTF-8.

    >>> recordset([{"id": 7, "labels": ("ui",)}])
    '[{"id":7,"labels":["ui"]}]'
    """
    return to_json(rows).decode()
