"""The properties of Meta's accounts as data, and the small accounts that differ in what they report and in how they answer.

What an account reports under which action types is recorded nowhere in one place. The lists here are those of real answers: one row of
2025-12-14 with all seven purchase types in equal counts, rows with ``lead``, ``leadgen_grouped`` and ``onsite_conversion.lead_grouped`` in
equal counts, rows of accounts that have conversations and no purchase or lead; and the enum of the SDK for offline types. Words for people
beside the types ("Calls Placed", "Registrations Completed") are those of Ads Manager's columns, as public clients list them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OBJECTIVES = ("OUTCOME_SALES", "OUTCOME_LEADS", "OUTCOME_APP_PROMOTION", "OUTCOME_TRAFFIC")
GOALS = {
    "OUTCOME_SALES": "OFFSITE_CONVERSIONS",
    "OUTCOME_LEADS": "LEAD_GENERATION",
    "OUTCOME_APP_PROMOTION": "APP_INSTALLS",
    "OUTCOME_TRAFFIC": "LANDING_PAGE_VIEWS",
    "OUTCOME_ENGAGEMENT": "CONVERSATIONS",
    "OUTCOME_AWARENESS": "REACH",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """The properties of an account. Its content and its id are derived from ``number``.

    ``shape``: ads per ad set and ad sets per campaign. ``objectives``: those of its campaigns, in turn.
    ``purchase_types``, ``lead_types``: the action types of a purchase and of a lead; none if it has none of them. Without a list its
    ads take turns with four mixtures.
    ``lives_from``: action types of which no metric is made, each with its number per hundred clicks.
    ``deletes``: ads that are deleted, by index, and how many days after the world's beginning.
    ``reports_deleted``: whether reports have rows of deleted objects when the filter by status includes them. Meta's pages contradict
    each other: the page "Insights" returns them so, the page "Manage your ad object's status" only by their own id.
    ``sends_zeros``: whether what is zero is sent as "0"; it is absent otherwise. No live answer with an action of "0" was found: only
    people's tests have one (searched 2026-11-30), so this account shows what a client makes of it and not what Meta sends.
    ``job_seconds``: how long its reports are computed, and ``job_unreadable_seconds`` how long their rows are refused after that; with 0
    a report is ready at the second poll.
    ``use_cases``: meters of other use cases that its answers carry, with their per cent.
    """

    number: int
    name: str
    currency: str
    timezone: str
    ads: int
    status: int = 1
    minor_units: int = 100
    shape: tuple[int, int] = (5, 3)
    objectives: tuple[str, ...] = OBJECTIVES
    purchase_types: tuple[str, ...] | None = None
    lead_types: tuple[str, ...] | None = None
    lives_from: tuple[tuple[str, int], ...] = ()
    deletes: tuple[tuple[int, float], ...] = ()
    reports_deleted: bool = False
    sends_zeros: bool = False
    job_seconds: int = 0
    job_unreadable_seconds: int = 0
    use_cases: tuple[tuple[str, int], ...] = ()

    @property
    def sells(self) -> bool:
        """Whether it has purchases."""
        return self.purchase_types != ()

    @property
    def sells_on_meta(self) -> bool:
        """Whether some of its purchases happen on Meta, where no pixel counts them."""
        return self.purchase_types is None or not ON_META.isdisjoint(self.purchase_types)


PIXEL_PURCHASE, STORE_PURCHASE = "offsite_conversion.fb_pixel_purchase", "web_app_in_store_purchase"
ON_META = frozenset({"onsite_conversion.purchase", "onsite_app_purchase"})

_WEB_PURCHASES = (PIXEL_PURCHASE, "onsite_web_purchase", "onsite_web_app_purchase", "web_in_store_purchase", STORE_PURCHASE)
_AGO, _AHEAD = -25.0, 0.4

VARIED: Sequence[AccountSpec] = (
    # The recorded row of 2025-12-14; the order of an answer's types means nothing.
    AccountSpec(
        number=51, name="Lantern Books", currency="USD", timezone="America/Denver", ads=12, shape=(2, 2), objectives=("OUTCOME_SALES",),
        purchase_types=("web_in_store_purchase", "omni_purchase", "purchase", *_WEB_PURCHASES[:3], STORE_PURCHASE),
        lead_types=(), deletes=((3, _AGO), (5, _AHEAD)),
    ),
    AccountSpec(
        number=52, name="Kiln Pottery", currency="EUR", timezone="Europe/Lisbon", ads=12, shape=(2, 2), objectives=("OUTCOME_SALES",),
        purchase_types=(*_WEB_PURCHASES, "purchase"), lead_types=(), deletes=((3, _AGO), (5, _AHEAD)), reports_deleted=True,
        sends_zeros=True,
    ),
    AccountSpec(
        number=53, name="Optic Corner", currency="GBP", timezone="Europe/London", ads=8, shape=(2, 2), objectives=("OUTCOME_SALES",),
        purchase_types=(PIXEL_PURCHASE,), lead_types=(),
    ),
    # A shop on Meta: no type of the pixel, and none without omni (rows of a client's test, after recorded ones).
    AccountSpec(
        number=54, name="Market Stall", currency="BRL", timezone="America/Recife", ads=8, shape=(2, 2), objectives=("OUTCOME_SALES",),
        purchase_types=("omni_purchase", "onsite_app_purchase", "onsite_conversion.purchase"), lead_types=(), sends_zeros=True,
    ),
    # Purchases of a shop's till, which are uploaded: ``purchase`` and ``omni_purchase`` include them (Ads Action Stats).
    AccountSpec(
        number=55, name="Warehouse Outlet", currency="PLN", timezone="Europe/Warsaw", ads=8, shape=(2, 2), objectives=("OUTCOME_SALES",),
        purchase_types=("offline_conversion.purchase", "purchase", "omni_purchase"), lead_types=(), job_seconds=300,
    ),
    AccountSpec(
        number=56, name="Chat Bakery", currency="BRL", timezone="America/Sao_Paulo", ads=16, shape=(2, 2),
        objectives=("OUTCOME_ENGAGEMENT",), purchase_types=(), lead_types=(), deletes=((2, _AGO), (9, _AHEAD)),
        lives_from=(
            ("onsite_conversion.messaging_conversation_started_7d", 40), ("onsite_conversion.total_messaging_connection", 44),
            ("onsite_conversion.messaging_first_reply", 31), ("onsite_conversion.messaging_user_depth_2_message_send", 22),
        ),
    ),
    AccountSpec(
        number=57, name="Course Portal", currency="INR", timezone="Asia/Kolkata", ads=10, shape=(2, 2), objectives=("OUTCOME_SALES",),
        purchase_types=(), lead_types=(), deletes=((2, _AGO), (8, _AHEAD)), reports_deleted=True,
        lives_from=(
            ("complete_registration", 12), ("omni_complete_registration", 12), ("offsite_conversion.fb_pixel_complete_registration", 12),
            ("offsite_complete_registration_add_meta_leads", 12),
        ),
    ),
    AccountSpec(
        number=58, name="Ring Plumbing", currency="CAD", timezone="America/Toronto", ads=8, shape=(2, 2),
        objectives=("OUTCOME_ENGAGEMENT",), purchase_types=(), lead_types=(), sends_zeros=True, job_seconds=8,
        lives_from=(
            ("click_to_call_call_confirm", 18), ("call_confirm_grouped", 18), ("click_to_call_native_call_placed", 15),
            ("click_to_call_native_20s_call_connect", 9),
        ),
    ),
    AccountSpec(
        number=59, name="Form Insurance", currency="CHF", timezone="Europe/Zurich", ads=10, shape=(2, 2), objectives=("OUTCOME_LEADS",),
        purchase_types=(), lead_types=("leadgen_grouped", "onsite_conversion.lead_grouped", "lead"), job_seconds=90,
        job_unreadable_seconds=40,
    ),
    # Leads from messages, without ``lead``; what is imported later counts them again.
    AccountSpec(
        number=60, name="Table Reservations", currency="MXN", timezone="America/Mexico_City", ads=8, shape=(2, 2),
        objectives=("OUTCOME_LEADS",), purchase_types=(), lead_types=("onsite_conversion.lead", "onsite_conversion.lead_grouped"),
        lives_from=(("offline_conversion.lead", 12), ("offline_conversion.other", 9)),
    ),
    AccountSpec(
        number=61, name="Studio Fit", currency="JPY", timezone="Asia/Tokyo", ads=8, shape=(2, 2), minor_units=1,
        objectives=("OUTCOME_SALES",), purchase_types=(), lead_types=(),
        lives_from=(("offsite_conversion.custom.1470000000000061", 7), ("offsite_conversion.fb_pixel_custom", 9)),
        use_cases=(("custom_audience", 100), ("instagram", 40)),
    ),
    # Leads under one of the narrow types alone: the indicator of instant forms, and the types that a recorded row has beside ``lead``.
    AccountSpec(
        number=62, name="Quote Roofing", currency="AUD", timezone="Australia/Sydney", ads=8, shape=(2, 2), objectives=("OUTCOME_LEADS",),
        purchase_types=(), lead_types=("leadgen.other",),
    ),
    AccountSpec(
        number=63, name="Chat Dentist", currency="EUR", timezone="Europe/Madrid", ads=8, shape=(2, 2), objectives=("OUTCOME_LEADS",),
        purchase_types=(), lead_types=("onsite_conversion.lead", "onsite_web_lead"),
    ),
    # Campaigns that are optimised for leads, for reach, and for several things: only results of the first add up.
    AccountSpec(
        number=64, name="Ferry Line", currency="EUR", timezone="Europe/Athens", ads=12, shape=(2, 2),
        objectives=("OUTCOME_LEADS", "OUTCOME_AWARENESS", "OUTCOME_ENGAGEMENT"), purchase_types=(), lead_types=("lead",),
    ),
)  # fmt: skip
"""Small accounts, each of which differs from the standard ones; the token ``varied`` reaches them."""
