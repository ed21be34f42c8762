"""What ``docs/howto/superset.md`` says, by Superset's own HTTP API: unmodified, in an environment and with a database of its own."""

import json
import os
import re
import secrets
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from connecting import unstored
from foreign import environments
from small_copy import HARBOR, LAST_WEEK, NOON, TODAY, publish, write

from storage.warehouse.analytics import read
from storage.warehouse.warehouse import Warehouse

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1_800)]  # the first run installs Superset

HERE = Path(__file__).parent
GUIDE = (HERE.parents[1] / "docs" / "howto" / "superset.md").read_text()
(CONFIGURATION,) = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
ONE_WORKSPACE, SEVERAL_WORKSPACES = re.findall(r"```text\n(.+)\n```", GUIDE)
UNITED, SPEND_TODAY, RESTATED, IN_EURO = re.findall(r"```sql\n(.+?)```", GUIDE, re.DOTALL)
ACME, UMBRELLA = re.findall(r'"(/srv/adpulse/published/.+?)"', CONFIGURATION)

ALPEN = unstored(id="c-Alpen", external_id="99", name="Alpen", provider="google", scope="google")
QUIET = unstored(id="c-Quiet", external_id="98", name="Quiet")
"""One with amounts that only whole micros hold; and one that was last read yesterday."""


@dataclass(kw_only=True)
class Superset:
    """Superset's application in a process that stays open, and the published files of two workspaces."""

    process: subprocess.Popen
    homes: dict[str, Path]
    generation: int = 10

    def published(self, workspace="acme"):
        return self.homes[workspace] / "published" / "workspace.duckdb"

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        status, answer = json.loads(self.process.stdout.readline())
        return status, answer

    def create(self, path, **body):
        status, answer = self.ask(path=path, body=body)
        assert status == 201, answer
        return answer["id"]

    def sql_lab(self, database, query):
        body = {"database_id": database, "sql": query, "runAsync": False, "queryLimit": 1_000}
        return self.ask(path="sqllab/execute/", body=body)

    def rows(self, database, query):
        status, answer = self.sql_lab(database, query)
        assert status == 200, answer
        return answer["data"]

    def chart(self, dataset, dimensions, metrics):
        wanted = [{"expressionType": "SQL", "sqlExpression": expression, "label": expression} for expression in metrics]
        queries = [{"columns": dimensions, "metrics": wanted, "row_limit": 1_000}]
        status, answer = self.ask(path="chart/data", body={"datasource": {"id": dataset, "type": "table"}, "queries": queries})
        assert status == 200, answer
        return {tuple(row[name] for name in dimensions): [row[name] for name in metrics] for row in answer["result"][0]["data"]}

    def publish_more(self, workspace, spend):
        """Publish other spend of Harbor's first ad today, while Superset goes on."""
        self.generation += 1
        warehouse = Warehouse(self.homes[workspace] / "warehouse" / "workspace.duckdb", self.published(workspace))
        write(warehouse, self.generation, NOON + timedelta(minutes=self.generation), {HARBOR: {TODAY: ((spend, 0), (25, 30))}})
        assert warehouse.publish(min_interval_seconds=0)


def exact(value):
    """A number of Superset's JSON, a double, to the micro."""
    return Decimal(str(value)).quantize(Decimal("0.000001"))


def prepare(folder, homes):
    """Superset's configuration with the guide's lines, its own database and a user; what programs of it need to run, and the password."""
    guide = CONFIGURATION.replace(ACME, f"{homes['acme']}/published/workspace.duckdb")
    own = f'SECRET_KEY = "{secrets.token_hex(32)}"\nSQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"\n'
    (folder / "superset_config.py").write_text(own + guide.replace(UMBRELLA, f"{homes['umbrella']}/published/workspace.duckdb"))
    own_folder = {"HOME": str(folder), "SUPERSET_HOME": str(folder), "SUPERSET_CONFIG_PATH": str(folder / "superset_config.py")}
    environment = {"PATH": os.environ["PATH"], "FLASK_APP": "superset", **own_folder}
    password = secrets.token_hex(16)
    user = ("--username", "admin", "--firstname", "A", "--lastname", "B", "--email", "a@example.org", "--password", password)
    for command in (("db", "upgrade"), ("fab", "create-admin", *user), ("init",)):
        program = environments.programs("superset") / "superset"
        done = subprocess.run([program, *command], env=environment, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return environment, password


@pytest.fixture(scope="module")
def superset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("superset")
    homes = {name: folder / name for name in ("acme", "umbrella")}
    fine = {LAST_WEEK: ((Decimal("0.000001"), 0), (2, 0)), TODAY: ((Decimal("5.123457"), 0), (Decimal("1234567.654321"), 7))}
    publish(homes["acme"], others={ALPEN: fine, QUIET: {TODAY - timedelta(days=1): ((3, 0), (4, 0))}})
    publish(homes["umbrella"])
    environment, password = prepare(folder, homes)
    command = [environments.programs("superset") / "python", HERE / "superset" / "ask.py", password]
    log = (folder / "superset.log").open("w")
    with subprocess.Popen(command, env=environment, cwd=folder, text=True, stdin=-1, stdout=-1, stderr=log) as process:
        yield Superset(process=process, homes=homes)
        process.stdin.close()


@pytest.fixture(scope="module")
def one(superset):
    """The database of one workspace."""
    uri = ONE_WORKSPACE.replace(ACME, str(superset.published()))
    return superset.create("database/", database_name="acme", sqlalchemy_uri=uri)


@pytest.fixture(scope="module")
def several(superset):
    """The database of two workspaces."""
    return superset.create("database/", database_name="agency", sqlalchemy_uri=SEVERAL_WORKSPACES)


@pytest.fixture(scope="module")
def spend_today(superset, one):
    return superset.create("dataset/", database=one, schema="main", table_name="spend today", sql=SPEND_TODAY)


def spend_of_harbor(superset, database, view):
    ((row),) = superset.rows(database, f"SELECT spend FROM {view} WHERE connection = 'Harbor' AND date = '{TODAY}'")
    return row["spend"]


def test_sql_lab_shows_daily_to_the_micro(superset, one):
    query = "SELECT connection_id, date::VARCHAR AS date, external_id, spend, revenue FROM daily ORDER BY ALL"
    rows = superset.rows(one, query)
    stored = read(superset.published(), query).to_pylist()

    assert [row | {"spend": exact(row["spend"]), "revenue": exact(row["revenue"])} for row in rows] == stored
    assert Decimal("0.000001") in [row["spend"] for row in stored]


def test_views_and_their_columns_are_there_with_what_they_mean(superset, one):
    status, answer = superset.ask(path="dataset/", body={"database": one, "schema": "main", "table_name": "account_day"})
    meanings = {column["column_name"]: column["description"] for column in answer["data"]["columns"]}

    assert status == 201
    assert meanings["currency"]
    assert meanings["spend"].startswith("What the ads cost")


def test_spend_today_is_by_account_and_leaves_out_whose_today_was_not_read(superset, spend_today):
    shown = superset.chart(spend_today, ["currency", "connection"], ["SUM(spend)"])

    assert {account: exact(spend) for account, (spend,) in shown.items()} == {
        ("JPY", "Sakura"): 16_000,
        ("USD", "Harbor"): 37,
        ("USD", "Alpen"): Decimal("1234572.777778"),
    }


def test_what_was_restated_last_week_is_by_account_and_metric(superset, one):
    dataset = superset.create("dataset/", database=one, schema="main", table_name="restated", sql=RESTATED)
    shown = superset.chart(dataset, ["currency", "connection", "metric"], ["SUM(delta)", "COUNT(DISTINCT date)"])

    assert shown["USD", "Harbor", "revenue"] == [-63, 1]
    assert {(currency, connection) for currency, connection, _ in shown} == {("USD", "Harbor")}


def test_amounts_in_one_currency_are_a_dataset(superset, one):
    dataset = superset.create("dataset/", database=one, schema="main", table_name="in euro", sql=IN_EURO)

    assert superset.chart(dataset, ["provider"], ["COUNT(*)", "COUNT(spend)"]) == {("google",): [4, 0], ("meta",): [10, 0]}


def test_two_workspaces_are_one_database(superset, several):
    dataset = superset.create("dataset/", database=several, schema="acme.main", table_name="both", sql=UNITED)
    shown = superset.chart(dataset, ["workspace", "currency"], ["SUM(spend)"])

    assert shown["umbrella", "USD"] == [137]
    assert {workspace for workspace, _ in shown} == {"acme", "umbrella"}
    assert superset.create("dataset/", database=several, schema="umbrella.main", table_name="daily")


def test_a_new_publication_is_seen_by_the_next_query_and_chart(superset, one, several, spend_today):
    for spend in (Decimal("12.5"), Decimal("13.25")):
        superset.publish_more("acme", spend)

        assert spend_of_harbor(superset, one, "account_day") == float(spend + 25)
        assert spend_of_harbor(superset, several, "acme.account_day") == float(spend + 25)
        assert superset.chart(spend_today, ["currency", "connection"], ["SUM(spend)"])["USD", "Harbor"] == [float(spend + 25)]


def test_only_attached_workspaces_show_a_new_publication_while_another_query_runs(superset, one, several):
    superset.publish_more("acme", 20)
    for database in (one, several):
        superset.ask(begin_query=database)
    superset.publish_more("acme", 30)
    during = spend_of_harbor(superset, one, "account_day"), spend_of_harbor(superset, several, "acme.account_day")
    superset.ask(end_queries=True)

    assert during == (45, 55)
    assert spend_of_harbor(superset, one, "account_day") == 55


@pytest.mark.parametrize("database", ["one", "several"])
@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM read_csv('/etc/hosts')", "SET enable_external_access = true", "DROP VIEW daily"],
)
def test_sql_lab_reads_no_other_file_and_changes_nothing(request, superset, database, query):
    status, answer = superset.sql_lab(request.getfixturevalue(database), query)

    assert status >= 400
    assert re.search("file system operations are disabled|configuration has been locked|does not allow for DDL/DML", str(answer))
