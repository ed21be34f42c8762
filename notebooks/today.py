"""Today and restatements: a marimo app over the published numbers. ``make notebooks`` opens it."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Today and restatements", width="medium")

with app.setup:
    import os
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    import marimo as mo
    import matplotlib.pyplot as plt

    import adpulse

    # Each account's running day. An account that was not read on it is left out, and listed.
    RUNNING = """
        WITH accounts AS (
            SELECT n.connection_id, n.connection, n.provider, c.currency, c.timezone, max(n.date) AS date, max(n.fresh_until) AS fresh_until
            FROM completeness n JOIN connections c ON c.id = n.connection_id
            WHERE n.level = 'leaf'
            GROUP BY ALL
        )
        SELECT *, date = ((SELECT max(fresh_until) FROM accounts) AT TIME ZONE timezone)::DATE AS runs
        FROM accounts
    """
    BY_CURRENCY = f"""
        SELECT p.currency, count(*) AS accounts, min(p.fresh_until) AS fresh_until, sum(p.spend) AS spend,
            if(count(spend_week_before_so_far) = count(*), sum(spend_week_before_so_far), NULL) AS week_before_by_this_hour,
            if(count(spend_week_before) = count(*), sum(spend_week_before), NULL) AS week_before,
            if(count(expected) = count(*), sum(expected), NULL) AS expected
        FROM pacing p JOIN ({RUNNING}) r USING (connection_id, date)
        WHERE r.runs
        GROUP BY ALL
        ORDER BY ALL
    """
    # An account without a row on a day spent nothing on it. Unfinished is what of the day's spend is of accounts whose day is not complete.
    BY_DAY = f"""
        SELECT r.currency, n.date, coalesce(sum(d.spend) FILTER (n.complete_at IS NOT NULL), 0) AS finished,
            coalesce(sum(d.spend) FILTER (n.complete_at IS NULL), 0) AS unfinished
        FROM completeness n JOIN ({RUNNING}) r USING (connection_id)
        LEFT JOIN account_day d ON d.connection_id = n.connection_id AND d.date = n.date
        WHERE n.level = 'leaf' AND n.date > r.date - 14
        GROUP BY ALL
        ORDER BY ALL
    """
    COURSE = f"""
        SELECT r.currency, r.connection, r.timezone, r.date, r.fresh_until, i.changed_at, i.spend
        FROM intraday i JOIN ({RUNNING}) r USING (connection_id, date)
        WHERE r.runs
        ORDER BY r.currency, r.connection, i.changed_at
    """
    RESTATED = """
        SELECT connection, provider, currency, metric, count(DISTINCT date) AS days, max(age_days) AS oldest_age_days, sum(delta) AS delta
        FROM restatements, (SELECT max(changed_at) AS newest FROM changes)
        WHERE changed_at > newest - INTERVAL 7 DAY
        GROUP BY ALL
        ORDER BY ALL
    """
    RESTATED_DAYS = """
        SELECT connection, currency, date, age_days, name, campaign_id, metric, before, after, delta, changed_at
        FROM restatements, (SELECT max(changed_at) AS newest FROM changes)
        WHERE changed_at > newest - INTERVAL 7 DAY
        ORDER BY changed_at DESC, abs(delta) DESC
        LIMIT 500
    """


@app.cell
def _():
    # A file, such as that of adpulse pull, or all workspaces of ADPULSE_HOME.
    analytics = adpulse.open_analytics(*filter(None, [os.environ.get("ADPULSE_PUBLISHED")]))
    refresh = mo.ui.refresh(options=["30s", "1m", "5m"], default_interval="1m")
    mo.vstack([mo.md("# Today and restatements"), refresh])
    return analytics, refresh


@app.cell
def _(analytics, refresh):
    refresh.value  # noqa: B018 - asks again with each tick
    accounts = analytics.sql(RUNNING).to_pylist()
    today = analytics.sql(BY_CURRENCY).to_pylist()
    days = analytics.sql(BY_DAY).to_pylist()
    course = analytics.sql(COURSE).to_pylist()
    restated = analytics.sql(RESTATED).to_pylist()
    restated_days = analytics.sql(RESTATED_DAYS).to_pylist()
    return accounts, course, days, restated, restated_days, today


@app.cell
def _(accounts, today):
    left_out = sorted(account["connection"] for account in accounts if not account["runs"])
    mo.vstack(
        [
            mo.md(
                "## Today, by currency\n"
                "Spend so far, of each account's own day. `fresh_until` is when the account that was read longest ago was read. "
                "What a week before had by this hour, and what the day is expected to end at, are empty where the history is too short."
            ),
            mo.ui.table(today, selection=None),
            mo.md(f"Not read today, and left out: {', '.join(left_out)}." if left_out else "Every account was read today."),
        ]
    )
    return (left_out,)


@app.cell
def _(days):
    def draw_days(currency):
        """Bars of two weeks; what is not complete is hatched."""
        rows = [row for row in days if row["currency"] == currency]
        figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
        dates, finished = [row["date"] for row in rows], [float(row["finished"]) for row in rows]
        axes.bar(dates, finished, color="#2563eb", label="complete")
        unfinished = [float(row["unfinished"]) for row in rows]
        axes.bar(
            dates, unfinished, bottom=finished, color="#dbeafe", edgecolor="#2563eb", linestyle="--", hatch="//", label="not complete yet"
        )
        axes.set_title(f"Spend by day, {currency}", loc="left")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
        figure.autofmt_xdate()
        return figure

    day_charts = {currency: draw_days(currency) for currency in sorted({row["currency"] for row in days})}
    mo.vstack([mo.md("## Two weeks\nA day that still runs, or was not read whole since it ended, is hatched."), *day_charts.values()])
    return (day_charts,)


@app.cell
def _(course):
    def hour_of(row, moment):
        """Hours since the account's midnight."""
        local = moment.astimezone(ZoneInfo(row["timezone"]))
        return (local.date() - row["date"]) / timedelta(hours=1) + local.hour + local.minute / 60

    def draw_course(currency):
        """The running total of each account up to where it was read; the rest of the day stays empty."""
        figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
        for connection in dict.fromkeys(row["connection"] for row in course if row["currency"] == currency):
            rows = [row for row in course if row["currency"] == currency and row["connection"] == connection]
            hours = [hour_of(row, row["changed_at"]) for row in rows]
            spend = [float(row["spend"]) for row in rows]
            end = max(hour_of(rows[-1], rows[-1]["fresh_until"]), hours[-1])
            (line,) = axes.plot([*hours, end], [*spend, spend[-1]], drawstyle="steps-post", label=connection)
            axes.plot([end], [spend[-1]], marker="o", markerfacecolor="white", color=line.get_color())
        axes.set_xlim(0, 24)
        axes.set_ylim(bottom=0)
        axes.set_title(f"The course of today, {currency}: the circle is where it was read last", loc="left")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
        return figure

    course_charts = {currency: draw_course(currency) for currency in sorted({row["currency"] for row in course})}
    mo.vstack([mo.md("## The course of today\nHours are those of each account's own day."), *course_charts.values()])
    return (course_charts,)


@app.cell
def _(restated, restated_days):
    mo.vstack(
        [
            mo.md("## What was restated in the last week\nOnly days that were complete; `delta` is in units of the currency, or a count."),
            mo.ui.table(restated, selection=None) if restated else mo.md("Nothing was restated."),
            mo.ui.table(restated_days, selection=None) if restated_days else mo.md(""),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
