"""Names of the columns of reports that Google Ads exports, in English and German.

Sources: public exports and programs that read them, 2026; ``Kampagnen-ID`` was not seen in one, and can mean nothing else.
"All conversions" and converted currencies are other numbers than the metrics here, so their columns are not taken for them.
"""

from collections.abc import Mapping, Sequence

EXPORT_COLUMNS: Mapping[str, Sequence[str]] = {
    "day": ("Day", "Tag"),
    "campaign": ("Campaign", "Kampagne"),
    "campaign_id": ("Campaign ID", "Kampagnen-ID"),
    "currency": ("Currency code", "Currency", "Währungscode", "Währung"),
    "impressions": ("Impr.", "Impressions", "Impressionen"),
    "clicks": ("Clicks", "Klicks"),
    "spend": ("Cost", "Kosten"),
    "conversions": ("Conversions",),
    "revenue": ("Conv. value", "Conversion value", "Conv.-Wert"),
}
