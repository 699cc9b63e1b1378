"""The configuration of nginx, read by nginx itself."""

import re
import subprocess
from pathlib import Path

from api.limits import MAX_BODY
from connectors.inlets import MAX_BODY as MAX_WEBHOOK
from tests.deploy.compose.composed import NGINX_CONF, nginx_conf, program


def checked(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = folder / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    command = [program("nginx"), "-t", "-e", "stderr", "-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_nginx_takes_the_configuration_without_a_word_of_warning(tmp_path: Path) -> None:
    answer = checked(tmp_path, nginx_conf(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert "test is successful" in answer.stderr
    assert "[warn]" not in answer.stderr


def test_nginx_names_a_fault_that_was_put_in(tmp_path: Path) -> None:
    answer = checked(tmp_path, nginx_conf(tmp_path).replace("proxy_http_version", "proxy_htp_version"))
    assert answer.returncode == 1
    assert "proxy_htp_version" in answer.stderr


def test_nginx_says_nothing_that_the_application_says_itself() -> None:
    added = [line.strip() for line in NGINX_CONF.read_text(encoding="utf-8").splitlines() if "add_header" in line]
    assert added == ["add_header Retry-After 2 always;"]


def test_bodies_are_limited_as_behind_nginx() -> None:
    limits = re.findall(r"client_max_body_size (\d+)m;", NGINX_CONF.read_text(encoding="utf-8"))
    assert [int(limit) * 1024**2 for limit in limits] == [MAX_BODY, MAX_WEBHOOK]
