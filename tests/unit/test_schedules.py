import yaml

from adpulse.frequency import SCHEDULED, Frequency
from adpulse.platforms.registry import PLATFORMS
from deployments import schedules
from deployments.deploy import PREFECT_YAML
from deployments.sweep import wanted_schedules
from deployments.worker import load_flow

DOCUMENT = yaml.safe_load(PREFECT_YAML.read_text())
DEPLOYMENTS = {entry["name"]: entry for entry in DOCUMENT["deployments"]}
SYNCS = {spec.name for spec in schedules.table() if spec.provider}


def test_prefect_yaml_says_what_the_table_says():
    told = {
        name: (
            each["entrypoint"],
            each["parameters"].get("frequency") if each.get("parameters") else None,
            each["work_pool"]["work_queue_name"],
            [(schedule["interval"], schedule["anchor_date"]) for schedule in each.get("schedules") or []],
        )
        for name, each in DEPLOYMENTS.items()
    }

    expected = {
        spec.name: (
            spec.entrypoint,
            spec.frequency.value if spec.frequency else None,
            spec.queue,
            [(spec.interval.total_seconds(), spec.anchor.isoformat())] if spec.interval else [],
        )
        for spec in schedules.table()
    }
    assert told == expected


def test_every_frequency_with_an_interval_has_a_schedule_of_just_that_interval():
    for provider in PLATFORMS:
        mine = {spec.frequency: spec.interval for spec in schedules.table() if spec.provider == provider and spec.frequency}

        assert mine == {frequency: frequency.interval for frequency in SCHEDULED}


def test_every_deployment_starts_a_flow_that_exists_and_can_be_started_by_hand_without_arguments():
    for name, entry in DEPLOYMENTS.items():
        flow = load_flow(entry["entrypoint"])

        assert flow.name == (name.partition("-")[0] + "-sync" if name in SYNCS else name)
        assert flow.parameters.required == []


def test_schedules_of_syncs_are_off_until_a_connection_needs_them():
    active = {name for name, each in DEPLOYMENTS.items() if any(schedule["active"] for schedule in each.get("schedules") or [])}

    assert active == {"reconcile"}


def test_every_queue_of_a_deployment_has_a_priority():
    assert {each["work_pool"]["work_queue_name"] for each in DEPLOYMENTS.values()} <= set(schedules.QUEUES)
    assert list(schedules.QUEUES.values()) == sorted(schedules.QUEUES.values())


def test_only_groups_with_connections_tick():
    wanted = wanted_schedules({("meta", Frequency.HOURLY): 3})

    assert {group for group, active in wanted.items() if active} == {("meta", Frequency.HOURLY)}
    assert set(wanted) == {(provider, frequency) for provider in PLATFORMS for frequency in SCHEDULED}
