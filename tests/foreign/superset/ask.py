"""Superset's own application in one process: requests are lines of JSON on stdin, answers lines on stdout, as its HTTP API gives them."""

import json
import sys
from contextlib import ExitStack

answers, sys.stdout = sys.stdout, sys.stderr  # Superset writes to stdout while it starts

from superset.app import create_app  # noqa: E402 - after stdout is the answers' alone

API = "/api/v1"
application = create_app()
client = application.test_client()
login = {"username": "admin", "password": sys.argv[1], "provider": "db"}
headers = {"Authorization": f"Bearer {client.post(f'{API}/security/login', json=login).get_json()['access_token']}"}
headers["X-CSRFToken"] = client.get(f"{API}/security/csrf_token/", headers=headers).get_json()["result"]
running = ExitStack()


def begin_query(database_id):
    """Leave a query of a database open, as a slow chart of another person would."""
    from superset.models.core import Database  # noqa: PLC0415 - it can be imported only after the application was made

    with application.app_context():
        engine = running.enter_context(application.extensions["sqlalchemy"].session.get(Database, database_id).get_sqla_engine())
        connection = running.enter_context(engine.connect())
        connection.execute("SELECT current_database()")


for line in sys.stdin:
    request = json.loads(line)
    if "begin_query" in request:
        begin_query(request["begin_query"])
        answer = [200, {}]
    elif "end_queries" in request:
        running.close()
        answer = [200, {}]
    else:
        done = client.post(f"{API}/{request['path']}", json=request["body"], headers=headers)
        answer = [done.status_code, done.get_json()]
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
