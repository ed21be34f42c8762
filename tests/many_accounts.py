"""Installations with hundreds of accounts, made by copying the row of one: the platforms are not asked for them."""

from sqlalchemy import insert, select

from storage.control.tables import ConnectionRow


def add_accounts(installation, connection, count, **values):
    """Copies of a connection as accounts of their own: Account 1, Account 2, and so on."""
    with installation.engine.begin() as session:
        row = session.execute(select(ConnectionRow.__table__).where(ConnectionRow.id == connection.id)).one()._asdict()
        copies = [
            row | {"id": f"many-{number}", "external_id": str(10_000 + number), "name": f"Account {number}"} | values
            for number in range(1, count + 1)
        ]
        session.execute(insert(ConnectionRow.__table__), copies)
