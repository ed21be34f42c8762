"""What counts as which metric of a connection: Meta's action types, Google's categories and conversion actions. Pure.

A mapping names the types that each metric counts. Types that a platform reports for one event are a family: of a family the first type
that is present counts, of different families the sum. Each platform's ``metrics.py`` has its presets and families.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from adpulse.attribution import NO_CHOICE, OWN_ATTRIBUTION, Attribution, AttributionRules, describe_attribution
from adpulse.errors import Usage

KINDS = ("purchases", "leads", "installs", "visitors")
"""The metrics that are counted by types alone."""

MAPPED = (*KINDS, "conversions")
"""The metrics that count types."""

OWN = "platform"
"""In ``conversions``: the platform's own total, whatever the types."""

RESULTS = "results"
"""In ``conversions``: what each ad is optimised for, as often as the platform says that it happened. Also the preset that counts so."""

DEFAULT = "default"
CUSTOM = "custom"
"""The name of a mapping that is no preset, unless a person gives it another one."""

_NO_RESULTS = "This platform does not report how often what an ad is optimised for happened."
_LONGEST_NAME = 64
_MOST_TYPES = 100


class Clicks(StrEnum):
    """Which clicks count: all, or those on links only."""

    ALL = "all"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionMapping:
    """The types that each metric counts.

    ``conversions`` may also name one of ``KINDS``, for all of its types, or be ``OWN`` or ``RESULTS`` alone.
    """

    name: str
    purchases: tuple[str, ...]
    leads: tuple[str, ...]
    installs: tuple[str, ...]
    visitors: tuple[str, ...]
    conversions: tuple[str, ...]
    clicks: Clicks = Clicks.ALL
    attribution: Attribution = ()

    @property
    def counts_own_conversions(self) -> bool:
        """Whether ``conversions`` are the platform's own total."""
        return self.conversions == (OWN,)

    @property
    def counts_results(self) -> bool:
        """Whether ``conversions`` are each ad's own results. Of ads whose results do not add up, and of totals, they are unknown."""
        return self.conversions == (RESULTS,)

    def types(self, metric: str) -> tuple[str, ...]:
        """The types that a metric of ``MAPPED`` counts, each once; none where it is the platform's own total, or results."""
        named: tuple[str, ...] = getattr(self, metric)
        if metric in KINDS:
            return named
        expanded = (kind for name in named if name not in (OWN, RESULTS) for kind in (self.types(name) if name in KINDS else (name,)))
        return tuple(dict.fromkeys(expanded))

    def metrics_of(self, *types: str) -> tuple[str, ...]:
        """The metrics that count one of these types."""
        return tuple(metric for metric in MAPPED if not set(types).isdisjoint(self.types(metric)))

    def describe(self) -> str:
        """The mapping in one line, as the options of a command write it."""
        parts = [f"{metric}={','.join(getattr(self, metric))}" for metric in MAPPED]
        attributed = [f"attribution={describe_attribution(self.attribution)}"] if self.attribution else []
        return " ".join([*parts, f"clicks={self.clicks.value}", *attributed])

    def has_types_of(self, other: "ConversionMapping") -> bool:
        """Whether it differs in its attribution at most."""
        return replace(self, attribution=other.attribution) == other


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRules:
    """What a platform lets a mapping count.

    ``presets``: by name, ``default`` among them. ``refusal``: why a text is no type that can be counted, None if it is one.
    ``families``: types that are reported for one event, the widest first. ``clicks``: the kinds of clicks that it reports.
    ``has_own_conversions``: whether it has totals of its own: of conversions, which a mapping may choose, and of their value.
    ``results_columns``: what its exports call each ad's own results; none where it does not report them.
    ``attribution``: what may be chosen instead of the platform's own.
    ``is_result``: whether a type is something that accounts advertise for; others, such as likes, are missed by nobody.
    """

    presets: Mapping[str, ConversionMapping]
    refusal: Callable[[str], str | None]
    families: tuple[tuple[str, ...], ...] = ()
    clicks: tuple[Clicks, ...] = (Clicks.ALL,)
    has_own_conversions: bool = False
    results_columns: tuple[str, ...] = ()
    attribution: AttributionRules = NO_CHOICE
    is_result: Callable[[str], bool] = lambda _: True

    @property
    def default(self) -> ConversionMapping:
        """The mapping of a connection for which nobody chose another one."""
        return self.presets[DEFAULT]

    def preset(self, name: str) -> ConversionMapping:
        """A preset by its name.

        Raises:
            Usage: there is none; the message lists those that there are.
        """
        if name not in self.presets:
            why = f" {_NO_RESULTS}" if name == RESULTS else ""
            raise Usage(f"'{name[:80]}' is no preset of a mapping here.{why} There are: {', '.join(self.presets)}.")
        return self.presets[name]

    def revised(self, mapping: ConversionMapping, changes: Mapping[str, Iterable[str]], name: str | None = None) -> ConversionMapping:
        """The mapping with other types for some metrics, other ``clicks`` or ``attribution``; a preset where its types are those of one.

        Raises:
            Usage: something that cannot be chosen; the message says what and why.
        """
        values: dict[str, Any] = {metric: self._checked(metric, types) for metric, types in changes.items()}
        chosen_name = (name or (CUSTOM if mapping.name in self.presets else mapping.name)).strip()
        if not 0 < len(chosen_name) <= _LONGEST_NAME or not chosen_name.isprintable():
            raise Usage(f"The name of a mapping has 1 to {_LONGEST_NAME} printable characters.")
        revised = replace(mapping, **values)
        if revised.counts_results and revised.attribution:
            raise Usage(f"Results count as each ad's own setting attributes them: choose attribution={OWN_ATTRIBUTION} with them.")
        same = next((name for name, preset in self.presets.items() if replace(revised, name=name).has_types_of(preset)), None)
        if same is None and chosen_name in self.presets:
            raise Usage(f"'{chosen_name}' is a preset that counts something else. Choose another name.")
        return replace(revised, name=same or chosen_name)

    def _checked(self, metric: str, types: Iterable[str]) -> tuple[str, ...] | Clicks:
        chosen = tuple(dict.fromkeys(kind.strip() for kind in types if kind.strip()))
        if metric == "clicks":
            return self._clicks(chosen)
        if metric == "attribution":
            return () if chosen == (OWN_ATTRIBUTION,) else self.attribution.check(chosen)
        if metric not in MAPPED:
            raise Usage(f"'{metric}' counts no types. These do: {', '.join(MAPPED)}; clicks may be {' or '.join(Clicks)}; and attribution.")
        if len(chosen) > _MOST_TYPES:
            raise Usage(f"{metric} may count {_MOST_TYPES} types at most, not {len(chosen)}.")
        alone = {OWN: self.has_own_conversions, RESULTS: bool(self.results_columns)}
        if metric == "conversions" and len(chosen) == 1 and alone.get(chosen[0], False):
            return chosen
        for kind in chosen:
            if refusal := self._refusal(metric, kind):
                raise Usage(f"{metric} cannot count '{kind[:80]}': {refusal}")
        return chosen

    def _refusal(self, metric: str, kind: str) -> str | None:
        """Why a metric cannot count a type beside others; None if it can."""
        if kind == OWN:
            return f"'{OWN}', the platform's own total, is for conversions alone, and not on every platform."
        if kind == RESULTS:
            return f"'{RESULTS}', each ad's own results, are for conversions alone." if self.results_columns else _NO_RESULTS
        return None if metric == "conversions" and kind in KINDS else self.refusal(kind)

    def _clicks(self, chosen: tuple[str, ...]) -> Clicks:
        allowed = [clicks.value for clicks in self.clicks]
        if len(chosen) != 1 or chosen[0] not in allowed:
            raise Usage(f"clicks cannot be '{','.join(chosen)}' on this platform, which reports: {', '.join(allowed)}.")
        return Clicks(chosen[0])

    def events(self, types: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """The types by event: those of one family together, the widest first, and every other type alone."""
        left = dict.fromkeys(types)
        families = [tuple(kind for kind in family if kind in left) for family in self.families]
        in_families = {kind for family in families for kind in family}
        return (*filter(None, families), *((kind,) for kind in left if kind not in in_families))


def parse_changes(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Changes as people write them: ``leads=lead,contact_total``, ``clicks=link``; nothing behind the sign counts no type.

    Raises:
        Usage: a text without the sign, or a metric twice.
    """
    changes: dict[str, tuple[str, ...]] = {}
    for text in texts:
        metric, sign, types = text.partition("=")
        if not sign:
            raise Usage(f"'{text}' sets nothing. Write a metric and its types, such as leads=lead,contact_total.")
        if metric.strip() in changes:
            raise Usage(f"'{metric.strip()}' is set twice. Write all of its types behind one sign, separated by commas.")
        changes[metric.strip()] = tuple(types.split(","))
    return changes


def to_text(mapping: ConversionMapping, rules: MappingRules) -> str:
    """The mapping as it is stored: a preset by its name, so that it follows this version's definition, beside the attribution."""
    preset = rules.presets.get(mapping.name)
    if preset is None or not mapping.has_types_of(preset):
        return json.dumps(asdict(mapping))
    return json.dumps({"name": mapping.name} | ({"attribution": mapping.attribution} if mapping.attribution else {}))


def from_text(text: str | None, rules: MappingRules) -> ConversionMapping:
    """A stored mapping; the default for None, and for a preset that this version does not have."""
    fields: dict[str, Any] = json.loads(text) if text else {"name": DEFAULT}
    attributed = tuple(fields.get("attribution", ()))
    if "clicks" not in fields:
        return replace(rules.presets.get(fields["name"], rules.default), attribution=attributed)
    types = {metric: tuple(fields[metric]) for metric in MAPPED}
    return ConversionMapping(name=fields["name"], clicks=Clicks(fields["clicks"]), attribution=attributed, **types)
