"""What a probe writes names nobody: whatever is planted in a platform's answers is in none of its files."""

import json
import re
import secrets

import pytest
from canaries import Canaries
from probing_rig import Probing, use_sandbox
from repeats import first_quick

from adpulse import settings
from adpulse.platforms.registry import PLATFORMS
from adpulse_sandbox import Sandbox


@pytest.fixture
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture(params=PLATFORMS)
def probe(request, sandbox, monkeypatch, tmp_path):
    use_sandbox(sandbox, monkeypatch.setenv)
    settings.load.cache_clear()
    yield Probing(request.param, sandbox, tmp_path / "out")
    settings.load.cache_clear()


def name():
    return f"Zanzibar {secrets.token_hex(8)}"


def email():
    return f"someone.{secrets.token_hex(8)}@example.org"


def number():
    return str(10**17 + secrets.randbelow(10**17))


PLANTS = {
    "meta": [
        ("me/adaccounts", "data[*].name", name),
        ("me/adaccounts", "data[0].business", name),
        ("me/adaccounts", "data[0].timezone_name", name),
        ("node", "name", name),
        ("node", "currency", name),
        ("campaigns", "data[0].name", email),
        ("campaigns", "data[0].objective", name),
        ("campaigns", "paging.next", email),
        ("campaigns", "data[0].status", lambda: f"BRAND_{secrets.token_hex(8).upper()}"),
        ("adsets", "data[0].id", number),
        ("adsets", "data[0].adlabels", lambda: [{"name": name(), "id": number()}]),
        ("ads", "data[*].creative.object_story_spec", lambda: {"link_data": {"message": name(), email(): name()}}),
        ("ads", "data[0].creative.link_url", lambda: f"https://{secrets.token_hex(12)}.example.org/?email={email()}"),
        ("insights", "data[0].campaign_name", name),
        ("insights", "data[0].ad_id", number),
        ("insights", "data[0].actions[0].action_type", lambda: f"app_custom_event.{secrets.token_hex(12)}"),
        ("insights", "data[0].spend", lambda: f"{10**15 + secrets.randbelow(10**15)}.25"),
        ("insights", "data[0].impressions", number),
        ("insights", "headers.x-business-use-case-usage", lambda: {number(): [{"type": name(), "call_count": 1}]}),
        ("insights", "headers.x-anything", email),
        ("insights_job", "report_run_id", number),
        ("job", "async_status", name),
    ],
    "google": [
        ("customer", "results[0].customer.descriptive_name", name),
        ("customer", "results[0].customer.time_zone", name),
        ("customer_client", "results[1].customer_client.descriptive_name", email),
        ("campaign", "results[0].campaign.name", name),
        ("campaign", "results[0].campaign.tracking_url_template", email),
        ("campaign", "results[0].campaign.id", lambda: int(number())),
        ("ad_group", "results[0].ad_group.name", email),
        ("ad_group_ad", "results[0].ad_group_ad.ad.final_url_suffix", email),
        ("ad_group_ad", "results[0].metrics.cost_micros", lambda: int(number())),
        ("asset_group", "results[0].asset_group.name", name),
        ("change_status", "results[0].change_status.campaign", lambda: f"customers/{number()}/campaigns/{number()}"),
        ("campaign", "request_id", lambda: secrets.token_hex(12)),
    ],
}


def texts(planted):
    """Every text in what was planted."""
    if isinstance(planted, dict):
        return [each for pair in planted.items() for value in pair for each in texts(value)]
    return [each for value in planted for each in texts(value)] if isinstance(planted, list) else [str(planted)]


@pytest.mark.parametrize("number_of_plant", first_quick([*range(0, 22, 3), *range(1, 22, 3), *range(2, 22, 3)], 2))
def test_what_is_planted_in_an_answer_is_in_no_file(probe, number_of_plant, capfd):
    plants = PLANTS[probe.platform]
    if number_of_plant >= len(plants):
        return
    where, place, make = plants[number_of_plant]
    value = make()
    on = {"kind": where} if probe.platform == "meta" else {"resource": where, "kind": "search_stream"}
    probe.fault(action="rewrite", place=place, value=value, **on)

    written = probe.run()

    long = {each: each for each in texts(value) if len(each) >= 16}
    found, files = Canaries(long | {"the token": probe.secret}).in_files(probe.folder)
    assert found == set()
    assert files > 5
    assert written.left_out == ()
    assert any(rule["struck"] for rule in probe.sandbox.faults.as_json())
    assert not any(each in capfd.readouterr().err for each in long)


def test_a_refusal_that_repeats_the_request_with_its_token_is_written_without_it(probe):
    if probe.platform == "google":
        return  # whose refusals repeat no token
    probe.fault(action="refused", kind="ads")

    written = probe.run()

    assert Canaries({"the token": probe.secret}).in_files(probe.folder)[0] == set()
    assert "(#100)" in written.report.read_text()


def test_no_id_and_no_name_of_the_world_is_in_any_file(probe):
    probe.run()

    texts = "".join(path.read_text() for path in sorted(probe.folder.rglob("*")) if path.is_file())
    if probe.platform == "meta":
        world = probe.sandbox.world
        ids = {each for account in world.accounts.values() for each in (account.id, *account.by_id)}
        names = {account.spec.name for account in world.accounts.values()}
        names |= {each.name(probe.sandbox.clock.now()) for account in world.accounts.values() for each in account.by_id.values()}
    else:
        customers = probe.sandbox.google.world.customers.values()
        ids = {each.id for each in customers}
        names = {each.spec.name for each in customers}
    assert ids & set(re.findall(r"\w+", texts)) == set()
    assert {each for each in names if each in texts and re.search(rf"(?<!\w){re.escape(each)}(?!\w)", texts)} == set()


def test_the_same_id_is_the_same_everywhere(probe):
    probe.run()

    answers = {path.stem: json.loads(path.read_text()) for path in (probe.folder / "answers").iterdir()}
    if probe.platform == "meta":
        listed = {row["id"] for row in answers["meta-ads-by-ids"]["body"]["data"]}
        wanted = set(answers["meta-ads-by-ids"]["request"]["params"]["filtering"][0]["value"])
    else:
        listed = {row["campaign"]["id"] for row in answers["google-campaigns-by-ids"]["body"][0]["results"]}
        wanted = set(re.findall(r"\d+", answers["google-campaigns-by-ids"]["request"]["query"].partition("IN (")[2]))
    assert len(listed) > 2
    assert listed <= wanted
