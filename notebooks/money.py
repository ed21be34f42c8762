"""Where did the money go: a marimo app over the published numbers. ``make notebooks`` opens it."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Where did the money go", width="medium")

with app.setup:
    import os

    import marimo as mo
    import matplotlib.pyplot as plt

    import adpulse

    LONGEST = 15
    """Campaigns that are drawn by name; the others are one bar."""

    COLOURS = {"meta": "#2563eb", "google": "#16a34a"}

    # Days of each account up to its newest. What the platform reports by no campaign is a row as well, so that sums are the account's.
    # Conversions are unknown where those of any day with spend are: null, and not zero.
    MONEY = """
        SELECT d.currency, d.provider, d.connection, d.campaign_id,
            coalesce(d.campaign, d.campaign_id, 'not reported by campaign') AS campaign,
            sum(d.spend) AS spend,
            coalesce(sum(d.spend) FILTER (n.complete_at IS NULL), 0) AS unfinished,
            if(bool_or(d.conversions IS NULL AND d.spend <> 0), NULL, sum(d.conversions)) AS conversions,
            sum(d.revenue) AS revenue
        FROM campaign_day d
        JOIN (SELECT connection_id, max(date) AS newest FROM completeness GROUP BY ALL) USING (connection_id)
        LEFT JOIN completeness n ON n.connection_id = d.connection_id AND n.date = d.date AND n.level = 'leaf'
        WHERE d.date > newest - ?::INTEGER
        GROUP BY ALL
        ORDER BY d.currency, spend DESC
    """


@app.cell
def _():
    # A file, such as that of adpulse pull, or all workspaces of ADPULSE_HOME.
    analytics = adpulse.open_analytics(*filter(None, [os.environ.get("ADPULSE_PUBLISHED")]))
    period = mo.ui.dropdown({"Today": 1, "7 days": 7, "28 days": 28, "90 days": 90}, value="28 days", label="Up to today:")
    refresh = mo.ui.refresh(options=["1m", "5m"], default_interval="5m")
    mo.vstack([mo.md("# Where did the money go"), mo.hstack([period, refresh], justify="start")])
    return analytics, period, refresh


@app.cell
def _(analytics, period, refresh):
    refresh.value  # noqa: B018 - asks again with each tick
    campaigns = analytics.sql(MONEY, [period.value]).to_pylist()
    currencies = sorted({row["currency"] for row in campaigns})
    return campaigns, currencies


@app.cell
def _(campaigns, currencies):
    def add_up(rows, **names):
        """One row of these: a sum with an unknown part is unknown."""
        spend, revenue = sum(row["spend"] for row in rows), sum(row["revenue"] or 0 for row in rows)
        conversions = [row["conversions"] for row in rows if row["spend"] or row["conversions"] is not None]
        known = None if None in conversions else sum(conversions)
        return {
            **names,
            "spend": spend,
            "not complete yet": sum(row["unfinished"] for row in rows),
            "conversions": known,
            "cost of one": round(float(spend) / float(known), 2) if known else None,
            "revenue": revenue,
            "return on spend": round(float(revenue) / float(spend), 2) if spend else None,
        }

    platforms = [
        add_up(_rows, currency=currency, platform=platform)
        for currency in currencies
        for platform in sorted({row["provider"] for row in campaigns if row["currency"] == currency})
        if (_rows := [row for row in campaigns if row["currency"] == currency and row["provider"] == platform])
    ]
    mo.vstack(
        [
            mo.md("## By platform\nNo row adds up two currencies. Conversions are empty where those of an ad with spend are not known."),
            mo.ui.table(platforms, selection=None),
        ]
    )
    return add_up, platforms


@app.cell
def _(add_up, campaigns, currencies):
    def bars_of(currency):
        """The largest campaigns, and all others as one."""
        rows = [row for row in campaigns if row["currency"] == currency and row["spend"]]
        rest = rows[LONGEST:]
        bars = [(f"{row['campaign']} ({row['connection']})", row["provider"], row["spend"], row["unfinished"]) for row in rows[:LONGEST]]
        if not rest:
            return bars
        others = add_up(rest)
        return [*bars, (f"{len(rest)} more campaigns", None, others["spend"], others["not complete yet"])]

    def draw(currency):
        """Bars of campaigns in the platform's colour; what is not complete is hatched."""
        names, platforms_of, spend, unfinished = zip(*reversed(bars[currency]), strict=True)
        figure, axes = plt.subplots(figsize=(9, 1 + 0.3 * len(names)), layout="constrained")
        places, colours = range(len(names)), [COLOURS.get(platform, "#6b7280") for platform in platforms_of]
        finished = [float(whole - part) for whole, part in zip(spend, unfinished, strict=True)]
        axes.barh(places, finished, color=colours)
        axes.barh(places, [float(part) for part in unfinished], left=finished, color="white", edgecolor=colours, linestyle="--", hatch="//")
        axes.set_yticks(places, names)
        axes.set_title(f"Spend by campaign, {currency}: hatched is what is not complete yet", loc="left")
        return figure

    bars = {currency: _shown for currency in currencies if (_shown := bars_of(currency))}
    charts = {currency: draw(currency) for currency in bars}
    mo.vstack([mo.md("## By campaign\nBlue is Meta, green is Google."), *charts.values()])
    return bars, charts


@app.cell
def _(add_up, campaigns):
    table = [
        add_up([row], currency=row["currency"], platform=row["provider"], account=row["connection"], campaign=row["campaign"])
        for row in campaigns
    ]
    mo.ui.table(table, selection=None)
    return


if __name__ == "__main__":
    app.run()
