"""What the project promises to those who read its marts, and where its tables lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from catchment.dbt_project import write_manifest
from catchment.errors import NeedsPerson
from tests.dbt.project import PROJECT, Dbt

Manifest = dict[str, Any]


def models(manifest: Manifest) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def marts(manifest: Manifest) -> list[dict[str, Any]]:
    found = [node for node in models(manifest) if node["fqn"][1] == "marts"]
    assert found
    return found


def test_every_mart_has_a_contract_and_describes_each_column(manifest: Manifest) -> None:
    for mart in marts(manifest):
        assert mart["contract"]["enforced"], mart["name"]
        assert mart["description"], mart["name"]
        undescribed = [c["name"] for c in mart["columns"].values() if not c["description"] or not c["data_type"]]
        assert not undescribed, mart["name"]


def test_every_model_is_described(manifest: Manifest) -> None:
    assert [node["name"] for node in models(manifest) if not node["description"]] == []


def test_every_mart_has_a_tested_key(manifest: Manifest) -> None:
    tested = {
        node["attached_node"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node.get("test_metadata", {}).get("name") in ("unique", "is_key")
    }
    assert [mart["name"] for mart in marts(manifest) if mart["unique_id"] not in tested] == []


def test_columns_that_tell_of_people_are_marked_as_personal(manifest: Manifest) -> None:
    telling = ("email", "owner", "requester_id", "assignee_id", "zendesk_user_id", "contact_uuid")
    for mart in marts(manifest):
        for column in mart["columns"].values():
            if column["name"].startswith(telling):
                assert column["config"]["meta"].get("personal"), f"{mart['name']}.{column['name']}"


def test_production_has_exact_schemas(manifest: Manifest) -> None:
    assert {(n["database"], n["schema"], n["fqn"][1]) for n in models(manifest)} == {
        ("ANALYTICS", "STAGING", "staging"),
        ("ANALYTICS", "INTERMEDIATE", "intermediate"),
        ("ANALYTICS", "MARTS", "marts"),
    }


def test_a_developer_has_schemas_of_their_own(offline: Dbt, tmp_path: Path) -> None:
    own = Dbt(tmp_path, offline.settings | {"DBT_DEVELOPER": "ada"}, dbt_target="dev")
    done = own.run("--quiet", "parse")
    assert done.returncode == 0, done.stdout
    schemas = {n["schema"] for n in models(json.loads((tmp_path / "manifest.json").read_text()))}
    assert schemas == {"ADA_STAGING", "ADA_INTERMEDIATE", "ADA_MARTS"}


def test_marts_read_no_source_and_staging_reads_nothing_else(manifest: Manifest) -> None:
    for node in models(manifest):
        sources = [name for name in node["depends_on"]["nodes"] if name.startswith("source.")]
        if node["fqn"][1] == "marts":
            assert not sources, node["name"]
        if node["fqn"][1] == "staging":
            assert sources == node["depends_on"]["nodes"], node["name"]


def test_the_manifest_is_made_without_a_warehouse(manifest: Manifest) -> None:
    path = write_manifest(PROJECT)
    assert path == PROJECT / "target/manifest.json"
    assert json.loads(path.read_text())["nodes"].keys() == manifest["nodes"].keys()


def test_a_project_that_cannot_be_parsed_says_why(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: broken\nprofile: nobody\n")
    with pytest.raises(NeedsPerson, match=r"(?s)dbt can't parse .*Could not find profile"):
        write_manifest(tmp_path)
