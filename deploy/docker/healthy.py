"""Ask an address of this container: ``healthy.py URL [STATUS]`` ends with 0 when it answers so, 200 by default."""

import http.client
import sys
from urllib.parse import urlsplit

_SECONDS = 4.0


def main(url: str, expected: str = "200") -> None:
    """End with 0 when ``url`` answers with the status ``expected``, else with 1 and what it said instead."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"{place.path}?{place.query}" if place.query else place.path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{url}: {error!r}")
    finally:
        connection.close()
    sys.exit(0 if status == int(expected) else f"{url}: {status}, not {expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])
