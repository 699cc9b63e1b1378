"""``up``: starts beside whatever is there, and ends, however it is ended, with nothing lost and nothing left."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Thread

import httpx

from tests.deploy.cli.stacks import ROOT, Up, called, clean_environment, cli, command, processes_of, started, until, up

IMPORTED = 3_000


class Load:
    """Posts a message after the other from some threads, and keeps a ledger of those that were accepted."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.refusals: list[int] = []
        self._ids = map(str, count())
        self._before = 0

    def grown(self, more: int) -> bool:
        """Tell whether so many messages were accepted since the load was put on."""
        return len(self.accepted) >= self._before + more

    @contextmanager
    def on(self, stack: Up) -> Iterator[None]:
        """Post while the block runs."""
        stop, self._before = Event(), len(self.accepted)
        threads = [Thread(target=self._post, args=(stack, stop)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(10)
        assert not any(thread.is_alive() for thread in threads)

    def _post(self, stack: Up, stop: Event) -> None:
        headers = {"Authorization": f"Bearer {stack.token}"}
        with httpx.Client(base_url=stack.url, headers=headers, timeout=5) as client:
            while not stop.is_set():
                external_id = next(self._ids)
                body = {"source": "load", "external_id": external_id, "text": f"please fix valve {external_id}"}
                try:
                    answer = client.post("/api/messages", json=body)
                except httpx.HTTPError:  # nobody said that it was accepted
                    stop.wait(0.05)
                    continue
                if answer.status_code == 202:
                    self.accepted.append(external_id)
                else:
                    self.refusals.append(answer.status_code)


@contextmanager
def importing(stack: Up, file: Path) -> Iterator[subprocess.Popen[str]]:
    """Import a file in a process of its own."""
    arguments = command("import", file, "--data", stack.folder)
    with subprocess.Popen(
        arguments,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def written(folder: Path, source: str) -> Path:
    file = folder / f"{source}.jsonl"
    lines = ({"source": source, "external_id": str(number), "text": f"ok {number}"} for number in range(IMPORTED))
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


def ids_of(stack: Up, source: str) -> list[str]:
    return [row["external_id"] for row in stack.rows("select external_id from messages where source = %s", source)]


def test_stack_that_is_ended_under_load_leaves_no_process_and_loses_nothing(folder: Path, tmp_path: Path) -> None:
    load, file = Load(), written(tmp_path, "imported")
    with up(folder) as stack, load.on(stack), importing(stack, file) as process:
        token = stack.token
        until(lambda: stack.count("imported"), what="the import")
        until(partial(load.grown, 50), what="the load")
        assert stack.stop(signal.SIGTERM, but=[process.pid]) < 10
    with up(folder) as stack, load.on(stack):
        until(partial(load.grown, 50), what="the load")
        assert stack.stop(signal.SIGINT) < 10
    with up(folder) as stack, load.on(stack):
        until(partial(load.grown, 50), what="the load")
        stack.process.kill()
        until(lambda: processes_of(folder) == {}, seconds=5, what="the end of every process")
    assert set(load.refusals) <= {503}
    ended = called("status", "--data", folder)
    assert ended.returncode == 1
    assert f"nothing runs in {folder}: start it with `./run up --data {folder}`" in ended.stderr
    with up(folder) as stack:
        assert stack.token == token
        stack.json("import", file)
        assert sorted(ids_of(stack, "imported"), key=int) == [str(each) for each in range(IMPORTED)]
        until(lambda: set(load.accepted) <= set(ids_of(stack, "load")), seconds=30, what="all that was accepted")
        assert stack.stop() < 10


def test_second_stack_in_a_folder_is_refused_and_the_first_runs_on(house: Up) -> None:
    before = processes_of(house.folder)
    ended = cli("up", "--data", house.folder, "--port", 0)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"is in use by a stack that runs already (process {house.process.pid})" in ended.stderr
    assert "choose another data folder" in ended.stderr
    assert house.api("health/ready")
    assert house.json("status")["wrong"] == []
    assert processes_of(house.folder) == before


def test_stack_on_a_taken_port_takes_the_next_and_runs_beside_its_holder(house: Up, folder: Path) -> None:
    port = int(house.url.rpartition(":")[2])
    with up(folder, port=port) as stack:
        taken = int(stack.url.rpartition(":")[2])
        assert port < taken < port + 50
        [api] = [pid for pid, line in processes_of(house.folder).items() if "deploy.roles api" in line]
        said = until(lambda: " ".join(stack.complained().split()))
        assert f"port {port} is taken by python" in said
        assert f"process {api}: taking {taken}" in said
        body = {"source": "beside", "external_id": "1", "text": "please fix the gate"}
        assert stack.client.post("/api/messages", json=body).status_code == 202
        until(lambda: stack.count("beside") == 1, what="the message")
        assert house.count("beside") == 0
        strange = {"Authorization": f"Bearer {house.token}"}
        assert httpx.get(f"{stack.url}/api/tasks", headers=strange).status_code == 401
        assert stack.stop() < 10
    assert house.json("status")["wrong"] == []


def test_stack_that_is_stopped_twice_while_it_starts_ends_well(folder: Path) -> None:
    with started("up", folder) as (process, out):
        until(lambda: any("postgres" in line for line in processes_of(folder).values()), what="PostgreSQL")
        begun = time.monotonic()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0, out.read_text()
        assert time.monotonic() - begun < 10
    assert "Traceback" not in out.read_text()
    assert processes_of(folder) == {}


def test_folder_that_cannot_be_one_is_refused_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = cli("up", "--data", file)
    assert (ended.returncode, ended.stderr) == (1, f"error: {file} is no folder: choose another with --data\n")


def test_wrong_servers_are_told_with_a_sentence(tmp_path: Path) -> None:
    half = cli("up", "--data", tmp_path, DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert (half.returncode, "Traceback" in half.stderr) == (1, False)
    assert "give both DATABASE_URL and NATS_URL, or neither" in half.stderr
