"""What every refusal looks like."""

import httpx


def problem(answer: httpx.Response, status: int) -> str:
    """Check that the answer is a problem of that status with all that every answer has; return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert "Traceback" not in answer.text
    return str(body["detail"])
