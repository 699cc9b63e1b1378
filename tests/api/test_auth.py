"""api/auth.py: who may come in, and how."""

import httpx
import pytest

from api.deps import Resources
from tests.problems import problem
from tests.serving import BASE, TOKEN, make, serving

CLOSED = ["/api/tasks", "/api/messages", "/api/events", "/api/sources", "/api/stats", "/api/dead", "/metrics", "/docs"]


@pytest.mark.parametrize("path", [*CLOSED, "/openapi.json", "/api/nothing"])
async def test_without_the_token_nothing_is_shown(stranger: httpx.AsyncClient, path: str) -> None:
    answer = await stranger.get(path)
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer", "Basic bGV0LW1lLWlu", TOKEN, "Bearer lét-me-in"])
async def test_wrong_token_is_no_token(stranger: httpx.AsyncClient, given: str) -> None:
    problem(await stranger.get("/api/tasks", headers={b"Authorization": given.encode()}), 401)


@pytest.mark.parametrize("path", ["/", "/api/health", "/api/health/live", "/api/health/ready", "/static/page.css"])
async def test_page_and_health_are_open_to_all(stranger: httpx.AsyncClient, path: str) -> None:
    answer = await stranger.get(path)
    assert answer.status_code == 200
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_link_with_the_token_trades_it_for_a_cookie(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "secure" not in cookie.lower()
    assert TOKEN not in cookie
    assert (await stranger.get("/api/tasks")).status_code == 200


async def test_cookie_is_no_bearer_token(stranger: httpx.AsyncClient) -> None:
    await stranger.get("/", params={"token": TOKEN})
    [cookie] = stranger.cookies.jar
    stranger.cookies.clear()
    problem(await stranger.get("/api/tasks", headers={"Authorization": f"Bearer {cookie.value}"}), 401)


async def test_cookie_given_over_https_stays_there(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("https://127.0.0.1/", params={"token": TOKEN})
    assert "; secure" in answer.headers["set-cookie"].lower()


async def test_link_with_a_wrong_token_gives_no_cookie(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/", params={"token": "wrong"})
    problem(answer, 401)
    assert "set-cookie" not in answer.headers
    assert answer.headers["www-authenticate"] == "Bearer"


async def name_of_the_cookie(stranger: httpx.AsyncClient) -> str:
    await stranger.get("/", params={"token": TOKEN})
    [cookie] = stranger.cookies.jar
    return cookie.name


@pytest.mark.parametrize("cookie", ["{}=wrong", "{}=", "=;;=", "{}=\xff", "{}"])
async def test_made_up_cookie_is_none(stranger: httpx.AsyncClient, cookie: str) -> None:
    name = await name_of_the_cookie(stranger)
    stranger.cookies.clear()
    given = cookie.replace("{}", name).encode("latin-1")
    problem(await stranger.get("/api/tasks", headers={b"Cookie": given}), 401)


async def test_odd_cookies_of_other_programs_on_this_host_are_passed_over(stranger: httpx.AsyncClient) -> None:
    await stranger.get("/", params={"token": TOKEN})
    [cookie] = stranger.cookies.jar
    stranger.cookies.clear()
    given = f'their[x]="a b; {{}}; ,=; {cookie.name}={cookie.value}; t\xe9=1'.encode("latin-1")
    assert (await stranger.get("/api/tasks", headers={b"Cookie": given})).status_code == 200


async def test_another_stack_on_this_host_has_a_cookie_of_another_name(
    stranger: httpx.AsyncClient, resources: Resources
) -> None:
    ours = await name_of_the_cookie(stranger)
    async with serving(make(resources, token="another")) as other:
        answer = await other.get("/", params={"token": "another"})
    assert ours not in answer.headers["set-cookie"]


async def test_change_by_cookie_must_say_its_origin(stranger: httpx.AsyncClient) -> None:
    await stranger.get("/", params={"token": TOKEN})
    problem(await stranger.post("/api/tasks", json={"title": "Ship it"}), 403)
    answer = await stranger.post("/api/tasks", json={"title": "Ship it"}, headers={"Origin": BASE})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "example.org:80", "", "localhost@example.org", "[::2]:80"]
)
async def test_foreign_host_is_not_served(client: httpx.AsyncClient, host: str) -> None:
    problem(await client.get("/api/health/live", headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "[::1]"])
async def test_our_own_hosts_are_served(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/api/health/live", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://example.org", "null", "", "http://127.0.0.1:81", "http://[", "127.0.0.1", "http://127.0.0.1.org"]
)
async def test_foreign_origin_is_not_served_even_with_the_token(client: httpx.AsyncClient, origin: str) -> None:
    problem(await client.get("/api/tasks", headers={"Origin": origin}), 403)
