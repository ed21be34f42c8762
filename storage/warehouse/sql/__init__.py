"""The warehouse's SQL: numbered migrations, applied once and in order, and named statements (steps: diff, upsert).

A statement is a Jinja template. The filter ``for_each`` repeats a text for each metric. ``metrics`` are all metrics, in the order of
columns. ``additive`` are those that may be added up, of these ``exact`` and ``fractional`` ones; ``split`` are the kinds of conversions,
``base`` the metrics of the answer with the numbers, ``movable`` those that come in either, ``optional`` those that a stored row may lack,
``unknowable`` those that may be null in a leaf's row, ``money`` amounts. ``profit`` is computed from other metrics. ``conversion_bits``
are the bits of the metrics that count conversions, ``delivery_bits`` those of the others, ``mapped_bits`` those of metrics that a mapping
decides. ``gone`` are the statuses of deleted entities, ``whole_currencies`` those without a smaller unit. ``additive_names`` and
``mapped_names`` are the names of such metrics as literals. ``covers`` is the condition that a row of a coverage has a campaign.
``unknown_cost`` is
the condition under which spend by conversions is unknown. ``rate_days`` are the days on which an exchange rate counts after its own.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from adpulse.currencies import WITHOUT_MINOR_UNIT
from adpulse.exchange_rates import RATE_DAYS
from adpulse.gone_statuses import GONE_STATUSES
from adpulse.metrics import METRICS, PROFIT, Metric, Unit

_FOLDER = Path(__file__).parent


@cache
def query(name: str, **values: str) -> str:
    """The text of ``<name>.sql`` with these values."""
    return _environment().get_template(f"{name}.sql").render(values)


def literal(value: object) -> str:
    """A text, or a path, as SQL has it."""
    return "'" + str(value).replace("'", "''") + "'"


@cache
def migrations() -> tuple[tuple[int, str], ...]:
    """Every migration as (version, text), oldest first."""
    return tuple((int(file.name[:4]), file.read_text("utf-8")) for file in sorted(_FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql")))


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - the text is SQL, and the values are our own names
        loader=FileSystemLoader(_FOLDER), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    metrics = METRICS.values()
    environment.filters["for_each"] = _for_each
    environment.globals |= {
        "metrics": list(metrics),
        "additive": [metric for metric in metrics if metric.additive],
        "split": [metric for metric in metrics if metric.split],
        "fractional": [metric for metric in metrics if metric.additive and metric.fractional],
        "exact": [metric for metric in metrics if metric.additive and not metric.fractional],
        "base": [metric for metric in metrics if not (metric.split or metric.movable or metric is PROFIT)],
        "movable": [metric for metric in metrics if metric.movable],
        "mapped_names": ", ".join(literal(metric.name) for metric in metrics if metric.mapped),
        "mapped_bits": sum(metric.bit for metric in metrics if metric.mapped),
        "unknowable": [metric for metric in metrics if metric.unknowable],
        "optional": [metric for metric in metrics if not metric.required],
        "covers": _covers,
        "unknown_cost": unknown_cost,
        "additive_names": ", ".join(literal(metric.name) for metric in metrics if metric.additive),
        "money": [metric for metric in metrics if metric.money],
        "profit": PROFIT,
        "delivery_bits": sum(metric.bit for metric in metrics if not metric.of_conversions),
        "conversion_bits": sum(metric.bit for metric in metrics if metric.of_conversions),
        "rate_days": RATE_DAYS,
        "gone": ", ".join(map(literal, GONE_STATUSES)),
        "whole_currencies": ", ".join(map(literal, sorted(WITHOUT_MINOR_UNIT))),
    }
    return environment


def _covers(coverage: str, campaign: str) -> str:
    """Whether a row of a coverage, whose alias is ``coverage``, has the campaign; the row is of the day already."""
    is_named = f"coalesce(list_contains({coverage}.only_campaigns, {campaign}), true)"
    return f"{is_named} AND NOT coalesce(list_contains({coverage}.without_campaigns, {campaign}), false)"


def known_sum(metric: Metric, *, of: str = "", within: str = "", or_zero: bool = False) -> str:
    """The sum of a metric over rows that have a level; null where a leaf's part is unknown, because the rest of it would be too little.

    What is null in a remainder was not known either, but it is no part of what is reported by ad: it is left out.

    Args:
        metric: what is added up.
        of: the rows' alias, with a point.
        within: which of the rows, as ``FILTER``.
        or_zero: whether it is 0 without rows, and where only remainders are null.
    """
    plain = f"sum({of}{metric.name}){within}"
    total = f"coalesce({plain}, 0)" if or_zero else plain
    if not metric.unknowable:
        return total
    return f"if(bool_or({of}level <> 'unreported' AND {of}{metric.name} IS NULL){within}, NULL, {total})"


def unknown_cost(of: str = "", within: str = "") -> str:
    """Whether rows that have a level, ``of`` and ``within`` as in :func:`known_sum`, have spend whose conversions are not known.

    Spend of a remainder without its conversions would make the others too dear.
    """
    return f"coalesce(bool_or({of}conversions IS NULL AND ({of}level <> 'unreported' OR {of}spend <> 0)){within}, false)"


def _for_each(metrics: Iterable[Metric], text: str, between: str = ",\n        ") -> str:
    """The text once for each metric.

    The text may use ``{name}``, ``{bit}``, the factor to the unit (``{unit}``, or ``{in_units}`` as a product), the type of sums
    (``{type}``), the sum over rows that have a level (``{known_sum}``; ``{known_or_zero}`` is 0 without rows), the sum of the view
    intraday (``{running_sum}``), whether it counts conversions (``{of_conversions}``), whether it follows a mapping (``{mapped}``), and
    the value on a day whose answer left the metric out (``{nothing}``).
    """
    return between.join(
        text.format(
            name=metric.name,
            bit=metric.bit,
            unit=_unit(metric),
            in_units="" if metric.unit is Unit.COUNT else f" * {_unit(metric)}",
            type=_type(metric),
            known_sum=known_sum(metric),
            known_or_zero=known_sum(metric, or_zero=True),
            running_sum=_running_sum(metric),
            of_conversions=str(metric.of_conversions).lower(),
            mapped=str(metric.mapped or metric is PROFIT).lower(),
            nothing="0" if metric.required else "NULL",
        )
        for metric in metrics
    )


def _running_sum(metric: Metric) -> str:
    total = f"(sum(i.{metric.name}) OVER so_far)::{_type(metric)}"
    return f"if(sum(i.{metric.name}_unknown) OVER so_far > 0, NULL, {total})" if metric.unknowable else total


def _type(metric: Metric) -> str:
    return "BIGINT" if metric.unit is Unit.COUNT else "DECIMAL(38, 6)"


def _unit(metric: Metric) -> str:
    """BIGINT times DECIMAL(7, 6) stays an exact DECIMAL(26, 6) and its sum a DECIMAL(38, 6)."""
    return f"{'1' if metric.unit is Unit.COUNT else '0.000001'}::DECIMAL(7, 6)"
