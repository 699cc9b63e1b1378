"""Signs as a sender of Standard Webhooks does, without the library that verifies."""

import base64
import hashlib
import hmac
import time

SECRET = "whsec_" + base64.b64encode(b"a secret of the sender's own").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, just as good").decode()


def signature(body: bytes, *, secret: str, webhook_id: str, at: int) -> str:
    """Make one signature of the kind v1."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.digest(key, b".".join([webhook_id.encode(), str(at).encode(), body]), hashlib.sha256)
    return "v1," + base64.b64encode(made).decode()


def signed(body: bytes, *, secret: str = SECRET, webhook_id: str = "msg_1", at: int | None = None) -> dict[str, str]:
    """Make the headers of a request with this body."""
    at = int(time.time()) if at is None else at
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(body, secret=secret, webhook_id=webhook_id, at=at),
    }
