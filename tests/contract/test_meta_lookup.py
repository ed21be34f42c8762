"""What becomes of ads and campaigns that a report lacks: the product's client over the unmodified SDK, against the sandbox."""

from dataclasses import replace

import pytest

from adpulse.errors import AccountRefused, AuthExpired
from adpulse.missing_entities import MissingEntity
from adpulse.model import Level
from adpulse_sandbox.meta.world import Change

ACCOUNT = "Nordlicht Moebel"


@pytest.fixture
def account(sandbox):
    return sandbox.world.account(ACCOUNT)


@pytest.fixture
def look_up(meta):
    """Looks up entities; the status of everything that was learned, by id."""

    def look(*entities):
        found = meta.client.look_up(meta.connection(ACCOUNT), [absent(each) for each in entities], meta.slot)
        return dict(zip(found["external_id"].to_pylist(), found["status"].to_pylist(), strict=True))

    return look


@pytest.fixture
def delete(sandbox, account):
    def as_of_now(entity):
        object.__setattr__(entity, "changes", (*entity.changes, Change(at=sandbox.clock.now(), status="DELETED")))
        vars(account).pop("_instants", None)

    return as_of_now


def absent(entity):
    if entity.level == Level.CAMPAIGN:
        return MissingEntity(level=Level.CAMPAIGN, external_id=entity.id, campaign_id=entity.id)
    return MissingEntity(level=Level.AD, external_id=entity.id, ad_set_id=entity.parent.id, campaign_id=entity.parent.parent.id)


def listed(sandbox, entities):
    now = sandbox.clock.now()
    return [each for each in entities if each.created_at <= now and each.effective_status(now) != "DELETED"]


def paths(sandbox):
    return [call.path.rpartition("/")[2] for call in sandbox.calls.calls()]


def test_living_and_archived_ads_are_listed_a_hundred_a_call_and_nothing_else_is_asked(look_up, sandbox, account, meta):
    ads = listed(sandbox, account.ads)[:250]

    found = look_up(*ads)

    now = sandbox.clock.now()
    assert found == {ad.id: ad.effective_status(now) for ad in ads}
    assert "ARCHIVED" in found.values()
    assert paths(sandbox) == ["ads"] * 3
    assert meta.slots == 3


def test_a_deleted_ad_answers_by_its_own_id_after_its_living_parents_were_listed(look_up, sandbox, account, delete):
    ad = listed(sandbox, account.ads)[0]
    delete(ad)

    found = look_up(ad)

    assert found[ad.id] == "DELETED"
    assert paths(sandbox) == ["ads", "campaigns", "adsets", ad.id]


def test_the_name_of_a_deleted_ad_is_told(meta, sandbox, account, delete):
    ad = listed(sandbox, account.ads)[0]
    delete(ad)

    found = meta.client.look_up(meta.connection(ACCOUNT), [absent(ad)], meta.slot).to_pylist()

    (row,) = [row for row in found if row["external_id"] == ad.id]
    assert (row["name"], row["parent_id"], row["status"]) == (ad.name(sandbox.clock.now()), ad.parent.id, "DELETED")


@pytest.mark.parametrize("level", [Level.CAMPAIGN, Level.AD_SET])
def test_what_is_below_a_deleted_parent_is_deleted_without_being_asked_for(look_up, sandbox, account, delete, level):
    ads = listed(sandbox, account.ads)
    parent = ads[0].parent if level is Level.AD_SET else ads[0].parent.parent
    inside = [ad for ad in ads if parent in (ad.parent, ad.parent.parent)]
    delete(parent)

    found = look_up(*inside)

    assert len(inside) > 1
    assert {found[ad.id] for ad in inside} == {"DELETED"}
    assert [path for path in paths(sandbox) if path.isdecimal()] == [parent.id]


@pytest.mark.parametrize("fault", ["permission_lost", "refused"])
def test_a_refusal_about_one_object_is_no_refusal_of_the_account(look_up, sandbox, account, delete, fault):
    ad = listed(sandbox, account.ads)[0]
    delete(ad)
    sandbox.faults.add([{"action": fault, "kind": "node"}])

    found = look_up(ad)

    assert sandbox.faults.as_json()[0]["struck"] == 1
    assert ad.id not in found
    assert found[ad.parent.id]


def test_at_most_ten_are_asked_for_by_their_own_id_and_the_next_lookup_goes_on(look_up, sandbox, account, delete):
    left = list({ad.parent.id: ad for ad in listed(sandbox, account.ads)}.values())[:23]
    for ad in left:
        delete(ad)
    settled = []
    for _ in range(3):
        found = look_up(*left)
        settled.append(sum(found.get(ad.id) == "DELETED" for ad in left))
        left = [ad for ad in left if ad.id not in found]

    assert settled == [10, 10, 3]
    assert left == []


def test_an_id_that_meta_does_not_know_is_gone_and_so_is_what_is_below_it(meta, sandbox):
    unknown = MissingEntity(level=Level.AD, external_id="23860999999999", ad_set_id="23850999999999", campaign_id="23840999999999")

    found = meta.client.look_up(meta.connection(ACCOUNT), [unknown], meta.slot)

    assert set(found["status"].to_pylist()) == {"GONE"}
    assert {"23860999999999", "23840999999999"} <= set(found["external_id"].to_pylist())
    assert [path for path in paths(sandbox) if path.isdecimal()] == ["23840999999999"]


def test_what_is_below_a_parent_that_is_known_to_be_gone_costs_no_call(meta):
    child = MissingEntity(level=Level.AD, external_id="1", ad_set_id="2", campaign_id="3", deleted_parent_status="DELETED")

    found = meta.client.look_up(meta.connection(ACCOUNT), [child], meta.slot)

    assert [(row["external_id"], row["status"]) for row in found.to_pylist()] == [("1", "DELETED")]
    assert meta.slots == 0


def test_an_account_that_meta_does_not_show_is_a_matter_of_permission(meta):
    unknown = replace(meta.connection(ACCOUNT), external_id="999")

    with pytest.raises(AccountRefused):
        meta.client.look_up(unknown, [MissingEntity(level=Level.AD, external_id="1")], meta.slot)


def test_a_token_that_ended_is_no_sign_that_an_ad_is_gone(sandbox, account, delete, look_up):
    ad = listed(sandbox, account.ads)[0]
    delete(ad)
    sandbox.faults.add([{"action": "expired_token", "kind": "node"}])

    with pytest.raises(AuthExpired):
        look_up(ad)
