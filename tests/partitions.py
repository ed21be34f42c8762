"""Days of which the control plane is to forget that they were read, as no command lets it."""

from datetime import date, timedelta

from sqlalchemy import delete, insert, select

from storage.control.tables import PartitionRow


def forget_reads(engine, days, kinds=None):
    """Forget that these days were read, all kinds of reads or these: their rows are ranges of days, so the others' rows stay as days."""
    table = PartitionRow.__table__
    with engine.begin() as session:
        for row in session.execute(select(table).where(table.c.day != "")).mappings().all():
            if kinds is not None and row["kind"] not in kinds:
                continue
            first = date.fromisoformat(row["day"])
            of_row = [first + timedelta(days=number) for number in range(row["days"])]
            if set(of_row).isdisjoint(days):
                continue
            key = (table.c.connection_id == row["connection_id"]) & (table.c.kind == row["kind"]) & (table.c.day == row["day"])
            session.execute(delete(table).where(key))
            kept = [{**row, "day": str(day), "days": 1} for day in of_row if day not in days]
            if kept:
                session.execute(insert(table), kept)
