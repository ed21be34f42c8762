"""Names of the columns of Ads Manager's exports, in English and German.

Sources: public exports and programs that read them, 2026. The German names of the attribution setting and of the purchases' value were
found nowhere: people name those columns themselves. ``Kampagnen-ID``, ``Berichtsstart``, ``Berichtsende``, ``Landingpage-Aufrufe``,
``App-Installationen`` and ``Käufe`` (after ``ROAS (Käufe)``) were not seen in an export either, but can mean nothing else.
Website purchases and link clicks are others than the metrics here, so their columns are not taken for them.
"""

from collections.abc import Mapping, Sequence

EXPORT_COLUMNS: Mapping[str, Sequence[str]] = {
    "day": ("Day", "Tag"),
    "since": ("Reporting starts", "Berichtsstart"),
    "until": ("Reporting ends", "Berichtsende"),
    "campaign": ("Campaign name", "Kampagnenname"),
    "campaign_id": ("Campaign ID", "Kampagnen-ID"),
    "lowest": ("Ad name", "Anzeigenname", "Ad set name", "Name der Anzeigengruppe", "Anzeigengruppenname"),
    "currency": ("Currency", "Währung"),
    "attribution": ("Attribution setting",),
    "impressions": ("Impressions", "Impressionen"),
    "clicks": ("Clicks (all)", "Klicks (alle)"),
    "spend": ("Amount spent", "Ausgegebener Betrag"),
    "revenue": ("Purchases conversion value", "Purchase conversion value"),
    "leads": ("Leads",),
    "installs": ("App installs", "App-Installationen"),
    "purchases": ("Purchases", "Käufe"),
    "visitors": ("Landing page views", "Landingpage-Aufrufe"),
}

RESULTS_COLUMNS = ("Results", "Ergebnisse")
"""The column of results, of which each row counts what its ad set is optimised for. It is compared where conversions are results."""
