"""An account that no connection holds, as the parts that read accounts take it. Pure."""

from datetime import date, timedelta
from decimal import Decimal

from adpulse import zones
from adpulse.frequency import Frequency
from adpulse.metrics_request import MetricsRequest
from adpulse.model import AccountFacts, Connection, ConnectionStatus, FetchKind, Heat, Provider
from adpulse.probe.platform_probe import Subject


def unconnected(provider: Provider, facts: AccountFacts) -> Connection:
    """A connection to this account that is stored nowhere; of an unknown time zone it is in UTC."""
    return Connection(
        id="probe",
        workspace_id="probe",
        provider=provider,
        external_id=facts.external_id,
        name=facts.name,
        currency=facts.currency,
        timezone=facts.timezone if zones.is_known(facts.timezone) else "UTC",
        frequency=Frequency.MANUAL,
        status=ConnectionStatus.ACTIVE,
        gross_margin=Decimal(1),
        credential_id="probe",
        scope=provider,
        ad_count=None,
        login_customer_id=facts.login_customer_id,
    )


def yesterday(subject: Subject, connection: Connection) -> date:
    """The last day that is over in the account's time zone."""
    return connection.today(subject.now) - timedelta(days=1)


def one_day(kind: FetchKind, day: date) -> MetricsRequest:
    """The request for the numbers of one day."""
    return MetricsRequest(kind=kind, heat=Heat.HOT, since=day, until=day)
