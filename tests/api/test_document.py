"""The OpenAPI document: every route says all that it can answer, by whom it may be called, and with examples."""

import pytest
from api.test_access import CLOSED, RULES
from documented import DOCUMENT

SCHEMAS = DOCUMENT["components"]["schemas"]
ROUTES = [(method.upper(), path) for path, found in DOCUMENT["paths"].items() for method in found]


def told_of(method, path):
    return DOCUMENT["paths"][path][method.lower()]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_status_that_a_route_can_answer_is_told(method, path):
    route, rule = told_of(method, path), RULES[method, path]
    closed = rule != "anybody"
    expected = {
        "400": "requestBody" in route,  # what is no text at all
        "401": closed,
        "403": rule in ("editor", "operator"),
        "404": "{" in path,
        "422": closed,
        "503": closed or path == "/readyz",
    }

    found = set(route["responses"])
    assert {status for status, can_be in expected.items() if can_be} - found == set()
    assert [status for status in found if status.startswith("2")] != []


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_errors_are_problems_with_an_example(method, path):
    for status, told in told_of(method, path)["responses"].items():
        if status.startswith(("4", "5")) and "content" in told:
            (content,) = told["content"].items()
            assert content[0] == "application/problem+json"
            assert content[1]["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content[1]["example"]["status"] == int(status)


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_closed_route_says_which_role_a_key_needs(method, path):
    assert told_of(method, path)["security"] == [{"API key": [RULES[method, path]]}]


def test_every_route_has_a_name_of_its_own_that_reads_as_a_function():
    names = [told_of(*route)["operationId"] for route in ROUTES]

    assert len(set(names)) == len(names)
    assert [name for name in names if not name.isidentifier() or "_" not in name] == []


def test_every_reference_leads_somewhere():
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            yield from (each for value in node.values() for each in references(value))
        elif isinstance(node, list):
            yield from (each for value in node for each in references(value))

    assert {each.rpartition("/")[2] for each in references(DOCUMENT)} - set(SCHEMAS) == set()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_has_an_example(name):
    bare = [field for field, told in SCHEMAS[name].get("properties", {}).items() if not speaks_for_itself(told)]

    assert bare == []


def speaks_for_itself(told):
    """It has an example, or is one of a few values, a list of such, or of another shape that has them."""
    if any(key in told for key in ("examples", "$ref", "enum", "const")) or told.get("type") in ("boolean", "null"):
        return True
    parts = told.get("anyOf") or ([told["items"]] if "items" in told else [])
    return bool(parts) and all(speaks_for_itself(each) for each in parts)
