"""Secrets that are nowhere else, and the search for them: plain, quoted, encoded, in files, databases and answers."""

import base64
import re
from pathlib import Path
from urllib.parse import quote

import psycopg

SHORTEST = 16


def forms(secret):
    """How a secret may be written down: as it is, in a URL, in JSON, as hexadecimal digits, and in base64 at any place of a longer text."""
    assert len(secret) >= SHORTEST, "so short a text may be anywhere by chance"
    plain = secret.encode()
    yield plain
    yield quote(secret, safe="").encode()
    yield plain.hex().encode()
    yield secret[::-1].encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain + b"\0" * 2)
        inside = encoded[4 if shift else 0 : -8]  # what lies beside the secret changes the first and last letters
        yield inside
        yield inside.replace(b"+", b"-").replace(b"/", b"_")


class Canaries:
    """The planted secrets by name."""

    def __init__(self, planted):
        self._forms = {name: set(forms(secret)) for name, secret in planted.items()}

    def in_bytes(self, data):
        """Names of the secrets that some bytes hold in any form."""
        return {name for name, written in self._forms.items() if any(each in data for each in written)}

    def in_files(self, folder):
        """Which secret is in which file beneath a folder; and how many files were looked through."""
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        found = {(name, str(path.relative_to(folder))) for path in files for name in self.in_bytes(path.read_bytes())}
        return found, len(files)

    def in_database(self, url):
        """Which secret is in which table of a PostgreSQL database, as rows and with its binary columns decoded; and how many rows."""
        found, rows = set(), 0
        with psycopg.connect(url) as session:
            tables = session.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                for (row,) in session.execute(f"SELECT t::text FROM {table} t"):
                    rows += 1
                    hexadecimal = b"".join(bytes.fromhex(each) for each in re.findall(r"\\x((?:[0-9a-f]{2})+)", row))
                    found |= {(name, table) for name in self.in_bytes(row.encode()) | self.in_bytes(hexadecimal)}
        return found, rows
