"""Text that is no Unicode costs its characters, and a value that nobody knows is kept: never the answer."""

import json

import pytest
from clients import GoogleRig, MetaRig, keyed
from facebook_business.exceptions import FacebookRequestError
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import BadRequest
from adpulse.platforms.meta.session import decoded, error_of

HALF = "half \ud83d a pair \0"
META_WALK, GOOGLE_WALK = {"kind": "ads", "place": "data[0].name"}, {"resource": "ad_group", "place": "results[0].ad_group.name"}
ALPHABET = st.characters(categories=["L", "Cs", "Cc"])


def rewrite(sandbox, value, **aim):
    sandbox.faults.add([{"action": "rewrite", "value": value, "count": 1, **aim}])


@pytest.mark.parametrize(("kind", "aim"), [(MetaRig, META_WALK), (GoogleRig, GOOGLE_WALK)], ids=["meta", "google"])
def test_half_a_surrogate_pair_in_a_name_becomes_a_replacement_character(kind, aim, sandbox):
    rig = kind(sandbox)
    right = rig.entities().to_pylist()
    rewrite(sandbox, HALF, **aim)

    odd = rig.entities().to_pylist()

    ((was, is_now),) = [pair for pair in zip(right, odd, strict=True) if pair[0] != pair[1]]
    assert is_now | {"name": was["name"]} == was
    assert is_now["name"].startswith("half \ufffd")
    assert is_now["name"].endswith(" a pair \ufffd")


def test_half_a_surrogate_pair_in_a_report_of_meta_leaves_its_numbers(meta, sandbox):
    rewrite(sandbox, HALF, kind="insights", place="data[0].ad_name")

    assert keyed(meta.ads()) == keyed(meta.truth())


@pytest.mark.parametrize(
    ("kind", "aim", "value", "column", "expected"),
    [
        (MetaRig, {"kind": "ads", "place": "data[0].effective_status"}, "IN_ORBIT", "status", "IN_ORBIT"),
        (MetaRig, {"kind": "campaigns", "place": "data[0].objective"}, "OUTCOME_ORBIT", "objective", "OUTCOME_ORBIT"),
        (GoogleRig, {"resource": "ad_group", "place": "results[0].ad_group.status"}, 99, "status", "99"),
        (GoogleRig, {"resource": "campaign", "place": "results[0].campaign.advertising_channel_type"}, 99, "objective", "99"),
    ],
)
def test_a_status_or_type_that_nobody_knows_is_kept(kind, aim, value, column, expected, sandbox):
    rig = kind(sandbox)
    right = rig.entities().to_pylist()
    rewrite(sandbox, value, **aim)

    odd = rig.entities().to_pylist()

    ((was, is_now),) = [pair for pair in zip(right, odd, strict=True) if pair[0] != pair[1]]
    assert is_now == was | {column: expected}


@given(st.dictionaries(st.text(ALPHABET, max_size=3), st.lists(st.text(ALPHABET, max_size=5), max_size=2), max_size=3))
def test_any_json_text_is_read_as_unicode(value):
    read = decoded(json.dumps(value))

    assert json.dumps(read, ensure_ascii=False).encode()
    if json.dumps(value, ensure_ascii=False).isascii():
        assert read == value


@pytest.mark.parametrize("body", ["NaN", '{"a": Infinity}', '{"a": 1', "", "[" * 100_000])
def test_what_is_no_json_is_none(body):
    with pytest.raises((ValueError, RecursionError)):
        decoded(body)


def test_a_refusal_is_stored_whatever_its_text_holds():
    body = {"error": {"code": 100, "message": HALF, "error_user_msg": HALF}}
    error = error_of(FacebookRequestError("", {}, 400, {}, json.dumps(body)))

    assert error["message"].startswith("half \ufffd a pair")
    assert BadRequest(error["message"]).message == "half \ufffd a pair \ufffd"
