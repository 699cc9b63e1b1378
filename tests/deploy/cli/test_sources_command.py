"""``sources``: the inlets are registered and listed, never with their secrets."""

import json

from tests.deploy.cli.stacks import Up


def test_sources_are_added_and_listed_without_their_secrets(house: Up) -> None:
    said = house.run(
        "sources", "add", "webhook", "secretive", "--secret", "whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g="
    ).stdout
    assert said == f"source secretive of channel webhook, takes messages at {house.url}/webhook/secretive\n"
    listed = house.json("sources", "list")
    assert "secretive" in {each["slug"] for each in listed}
    assert "aHVzaC1odXNo" not in json.dumps(listed)
    rows = [row.split() for row in house.run("sources", "list").stdout.splitlines()]
    assert ["secretive", "webhook", "active"] in rows


def test_source_that_cannot_be_is_refused_with_a_sentence(house: Up) -> None:
    unknown = house.run("sources", "add", "carrier-pigeon", "coo")
    assert unknown.returncode == 1
    assert "says 422" in unknown.stderr
    no_json = house.run("sources", "add", "webhook", "coo", "--settings", "{")
    assert no_json.returncode == 1
    assert "--settings is no JSON" in no_json.stderr
