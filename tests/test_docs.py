"""Documents and code say the same: each check names the document, and is shown to be able to fail."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from starlette.routing import Route
from typer.main import get_command

from api.app import create_app
from connectors import CONNECTORS
from connectors.files import Format
from connectors.inlets import inlets
from connectors.webhook import WebhookSettings
from deploy.cli.verbs import command_line
from deploy.local.permissions import PERMISSIONS
from deploy.local.stack import PROCESSES
from deploy.roles import NAMES
from deploy.settings import Settings
from schemas import subjects
from schemas.events import Event, EventType
from schemas.messages import MessageLine
from schemas.subjects import Durable, Stream

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "connectors", "pipelines", "api", "deploy")

_SPAN = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^#{1,6} (.*)$")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Take the fenced code out."""
    return re.sub(r"(?ms)^```.*?^```$", "", text)


def sections(text: str) -> dict[str, str]:
    """Cut a document at its headings: heading to what stands below it, up to the next."""
    found, heading = {"": ""}, ""
    for line in prose(text).splitlines():
        if match := _HEADING.match(line):
            heading = match[1]
        found[heading] = found.get(heading, "") + line + "\n"
    return found


def rows(text: str, heading: str) -> list[list[str]]:
    """Take the cells of the tables below a heading."""
    lines = sections(text).get(heading, "").splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]


def first_cells(heading: str, *, like: str = ".*") -> Callable[[str], set[str]]:
    """Make a reader of the code in the first column of the tables below a heading, where it looks like this."""

    def documented(text: str) -> set[str]:
        spans = (span for row in rows(text, heading) for span in _SPAN.findall(row[0]))
        return {span for span in spans if re.fullmatch(like, span)}

    return documented


# What there is.


def variables() -> dict[str, str]:
    """Map each setting's variable to its default as the document writes it."""

    def written(value: Any) -> str:
        if isinstance(value, tuple):
            return ",".join(value)
        return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    fields = Settings.model_fields.items()
    return {
        str(field.validation_alias or f"TASKTRACKER_{name.upper()}"): written(field.default) for name, field in fields
    }


@cache
def verbs() -> dict[str, set[str]]:
    """Map each verb to its options."""

    def walk(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
        for inner_name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{name} {inner_name}".strip())
        if not hasattr(command, "commands"):
            options = [option for each in command.params for option in (*each.opts, *each.secondary_opts)]
            yield name, {option for option in options if option.startswith("--")} - {"--help"}

    return dict(walk(get_command(command_line()), ""))


@cache
def application() -> FastAPI:
    return create_app(token="x", resources=lambda: pytest.fail("entered"), static=ROOT / "api/static")


@cache
def operations() -> dict[str, set[str]]:
    """Map each route to the names that a request may use: parameters and fields of the body."""
    document = application().openapi()

    def fields(schema: dict[str, Any]) -> set[str]:
        if "$ref" in schema:
            return fields(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        inner = [fields(each) for each in (*schema.get("oneOf", ()), schema.get("items", {})) if each]
        return set(schema.get("properties", {})).union(*inner)

    found: dict[str, set[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = {each["name"] for each in operation.get("parameters", ()) if each["in"] != "path"}
            content = operation.get("requestBody", {}).get("content", {})
            found[f"{method.upper()} {path}"] = names.union(*(fields(each["schema"]) for each in content.values()))
    return found


def routes() -> set[str]:
    """Name every route: of the OpenAPI document, those that it hides, and the inlets."""
    parts = [import_module(f"api.routes.{part.name}") for part in iter_modules([str(ROOT / "api/routes")])]
    served = [
        *application().routes,
        *(route for part in parts if hasattr(part, "router") for route in part.router.routes),
    ]
    nobody: Any = None
    doors = inlets(sources=nobody, publisher=nobody).routes
    found = [route for route in (*served, *doors) if isinstance(route, Route)]
    return {f"{method} {route.path_format}" for route in found for method in route.methods or () if method != "HEAD"}


@cache
def metrics() -> set[str]:
    """Name every metric that any of our modules registers."""
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if "from prometheus_client import" in path.read_text(encoding="utf-8"):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    families = [family for family in REGISTRY.collect() if family.name.startswith("tasktracker_")]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def subject_patterns() -> set[str]:
    """Write each subject with the names of its parts."""
    makers = [
        each for _, each in inspect.getmembers(subjects, inspect.isfunction) if each.__module__ == "schemas.subjects"
    ]
    return {make(*(f"<{name}>" for name in inspect.signature(make).parameters)) for make in makers}


def grants() -> set[str]:
    """Say of each NATS user what it may publish, its requests to JetStream aside."""
    return {
        f"{user} {subject}"
        for user, grant in PERMISSIONS.items()
        for subject in grant.publish
        if not subject.startswith("$JS")
    }


def tables() -> set[str]:
    """Name the tables that the migrations make."""
    scripts = (ROOT / "pipelines/store/migrations/versions").glob("*.sql")
    return {name for path in scripts for name in re.findall(r"(?mi)^create table (\w+)", path.read_text("utf-8"))}


# What the documents say there is.


def told_defaults(text: str) -> set[str]:
    cells = [(_SPAN.findall(row[0]), row[1].strip("`")) for row in rows(text, "Settings")]
    return {f"{name}={default}" for [name], default in cells}


def told_verbs(text: str) -> set[str]:
    return {match[1] for match in re.finditer(r"(?m)^### (.+)$", prose(text))}


def told_options(text: str) -> set[str]:
    read_options = {verb: first_cells(verb, like="--.*")(text) for verb in told_verbs(text)}
    return {f"{verb} {option}" for verb, options in read_options.items() for option in options}


def told_routes(text: str) -> set[str]:
    return {verb for verb in told_verbs(text) if re.match(r"[A-Z]+ /", verb)}


def told_fields(text: str) -> set[str]:
    below = sections(text)
    return {f"{route}: {name}" for route in told_routes(text) for name in _SPAN.findall(below[route])}


def told_grants(text: str) -> set[str]:
    return {
        f"{_SPAN.findall(row[0])[0]} {subject}"
        for row in rows(text, "Who may publish")
        for subject in _SPAN.findall(row[2])
    }


def told_files(text: str) -> set[str]:
    return set(re.findall(r"\]\(([\w.-]+\.md)\)", text))


@dataclass(frozen=True)
class Topic:
    """What a document must name; ``exact``: and nothing else."""

    doc: str
    what: str
    names: Callable[[], set[str]]
    documented: Callable[[str], set[str]]
    exact: bool = True

    def complaints(self, text: str) -> list[str]:
        """Say what is missing in the text, and what it names although it is not there."""
        real, told = self.names(), self.documented(text)
        missing = [f"{self.doc}: {self.what} {name} is missing" for name in sorted(real - told)]
        gone = [f"{self.doc}: there is no {self.what} {name}" for name in sorted(told - real)]
        return missing + (gone if self.exact else [])


TOPICS = [
    Topic("docs/settings.md", "setting", lambda: set(variables()), first_cells("Settings")),
    Topic("docs/settings.md", "default", lambda: {f"{n}={d}" for n, d in variables().items()}, told_defaults),
    Topic("docs/cli.md", "verb", lambda: set(verbs()), told_verbs),
    Topic(
        "docs/cli.md", "option", lambda: {f"{verb} {each}" for verb in verbs() for each in verbs()[verb]}, told_options
    ),
    Topic("docs/cli.md", "role", lambda: set(NAMES), first_cells("run", like=r"[a-z]+")),
    Topic("docs/http-api.md", "route", routes, told_routes),
    Topic(
        "docs/http-api.md",
        "field",
        lambda: {f"{route}: {name}" for route, names in operations().items() for name in names},
        told_fields,
        exact=False,
    ),
    Topic("docs/connectors.md", "channel", lambda: set(CONNECTORS), first_cells("Connectors")),
    Topic("docs/connectors.md", "format", lambda: set(Format), first_cells("Files")),
    Topic("docs/connectors.md", "field", lambda: set(MessageLine.model_fields), first_cells("JSON Lines")),
    Topic("docs/connectors.md", "setting", lambda: set(WebhookSettings.model_fields), first_cells("Settings")),
    Topic("docs/subjects.md", "stream", lambda: set(Stream), first_cells("Streams")),
    Topic("docs/subjects.md", "subject", subject_patterns, first_cells("Subjects")),
    Topic("docs/subjects.md", "durable", lambda: set(Durable), first_cells("Durables")),
    Topic("docs/subjects.md", "event", lambda: set(EventType), first_cells("Events", like=r".*\..*")),
    Topic("docs/subjects.md", "field", lambda: set(Event.model_fields), first_cells("Events", like=r"\w+")),
    Topic("docs/subjects.md", "user", lambda: set(PERMISSIONS), first_cells("Who may publish")),
    Topic("docs/subjects.md", "right", grants, told_grants),
    Topic("docs/data-model.md", "table", tables, first_cells("Data model")),
    Topic("docs/operations.md", "metric", metrics, first_cells("Metrics")),
    Topic("docs/operations.md", "process", lambda: {"postgres", "nats", *PROCESSES}, first_cells("The parts")),
    Topic("docs/operations.md", "role", lambda: set(NAMES), first_cells("Scaling")),
    Topic(
        "docs/README.md", "guide", lambda: {p.name for p in ROOT.glob("docs/*.md")} - {"README.md"}, told_files, False
    ),
    Topic("docs/adr/README.md", "record", lambda: {p.name for p in ROOT.glob("docs/adr/0*.md")}, told_files),
]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: f"{topic.doc}-{topic.what}")
def test_document_names_what_there_is_and_nothing_else(topic: Topic) -> None:
    assert topic.names(), "nothing was found in the code: this check has gone blind"
    assert topic.complaints(read(topic.doc)) == []


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: f"{topic.doc}-{topic.what}")
def test_each_name_is_missed_when_its_lines_are_gone(topic: Topic) -> None:
    lines = read(topic.doc).splitlines()
    for name in topic.names():
        word = re.split("[ =]", name)[-1]
        kept = [line for line in lines if word not in line]
        assert f"{topic.doc}: {topic.what} {name} is missing" in topic.complaints("\n".join(kept))


def test_name_that_is_not_there_any_more_is_noticed() -> None:
    text = "# Streams\n\n## Streams\n\n| Stream | Holds |\n|---|---|\n| `RAW` | it |\n| `COOKED` | what? |\n"
    topic = Topic("docs/x.md", "stream", lambda: {"RAW"}, first_cells("Streams"))
    assert topic.complaints(text) == ["docs/x.md: there is no stream COOKED"]
    assert topic.complaints(text.replace("COOKED", "RAW")) == []


def test_websocket_and_its_frames_are_told() -> None:
    told = sections(read("docs/http-api.md"))["The WebSocket"]
    assert all(word in told for word in ("`/ws`", "`after`", "`epoch`", "`types`", "hello", "resync", "ping", "1013"))


# Names of tests, links, places in the tree.


@cache
def documents() -> dict[str, str]:
    paths = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


@cache
def known_tests() -> set[str]:
    """Name every test, alone and behind the path of its file."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"(?m)^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8")):
            found |= {name, f"{path.relative_to(ROOT)}::{name}"}
    return found


def unknown_tests(name: str, text: str) -> list[str]:
    told = re.findall(r"`((?:tests/[\w/]+\.py::)?test_\w+)`", text)
    return [f"{name}: there is no test {test}" for test in told if test not in known_tests()]


def anchors(text: str) -> set[str]:
    """List the anchors of a document's headings, as GitHub makes them."""
    headings = [match[1] for line in prose(text).splitlines() if (match := _HEADING.match(line))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(name: str, text: str) -> list[str]:
    """List the links within the project that lead nowhere."""
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        path, _, anchor = target.partition("#")
        if re.match(r"https?:", target):
            continue
        place = (ROOT / name).parent / path if path else ROOT / name
        if not place.exists() or (anchor and anchor not in anchors(place.read_text(encoding="utf-8"))):
            wrong.append(f"{name}: the link {target} leads nowhere")
    return wrong


def missing_places(name: str, text: str) -> list[str]:
    """List the files and folders that are named as code, and are not there."""
    spans = _SPAN.findall(prose(text))
    places = (span for span in spans if re.fullmatch(rf"({'|'.join(PACKAGES)}|tests|docs)/[\w./-]*", span))
    return [f"{name}: there is no {place}" for place in places if not (ROOT / place).exists()]


WHOLE = [unknown_tests, broken_links, missing_places]


@pytest.mark.parametrize("check", WHOLE)
def test_what_documents_point_to_is_there(check: Callable[[str, str], list[str]]) -> None:
    # Records of decisions are not rewritten: what they name in the tree may have moved since.
    checked = {name: text for name, text in documents().items() if check is not missing_places or "/adr/" not in name}
    assert [complaint for name, text in checked.items() for complaint in check(name, text)] == []


@pytest.mark.parametrize(
    ("check", "text", "complaint"),
    [
        (unknown_tests, "`test_pigs_fly`", "README.md: there is no test test_pigs_fly"),
        (
            unknown_tests,
            "`tests/faults/test_faults.py::test_no`",
            "there is no test tests/faults/test_faults.py::test_no",
        ),
        (broken_links, "[x](docs/nothing.md)", "README.md: the link docs/nothing.md leads nowhere"),
        (broken_links, "[x](docs/cli.md#nothing)", "README.md: the link docs/cli.md#nothing leads nowhere"),
        (broken_links, "# Here\n[x](#there)", "README.md: the link #there leads nowhere"),
        (missing_places, "`pipelines/magic.py`", "README.md: there is no pipelines/magic.py"),
    ],
)
def test_what_leads_nowhere_is_noticed(check: Callable[[str, str], list[str]], text: str, complaint: str) -> None:
    [found] = check("README.md", text)
    assert found.endswith(complaint)


def test_each_promise_of_the_readme_names_a_test() -> None:
    promises = [line for line in sections(read("README.md"))["What is promised"].splitlines() if line.startswith("| ")]
    assert len(promises) > 10
    assert [promise for promise in promises[1:] if "test_" not in promise] == []


def test_each_promise_of_the_guarantees_names_a_test() -> None:
    rows = [line.split(" | ") for line in read("docs/guarantees.md").splitlines() if line.startswith("| ")]
    promises = [cells for cells in rows if len(cells) == 4 and cells[0] != "| Promise"]
    assert len(promises) > 15
    assert [cells[0] for cells in promises if "test_" not in cells[2]] == []
