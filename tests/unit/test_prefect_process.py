import subprocess
import sys

FORGOTTEN_STATEMENT = """
import gc, sqlite3, sys, threading, weakref
from deployments.prefect_process import collect_garbage_in_thread

writing = sqlite3.connect(sys.argv[1], isolation_level=None)
writing.execute("BEGIN IMMEDIATE")
waiting = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20, check_same_thread=False)

class Forgotten:
    pass

forgotten = Forgotten()
forgotten.itself = forgotten  # only a collection frees it
forgotten.statement = waiting.execute("SELECT 1 UNION SELECT 2")
collected = threading.Event()
weakref.finalize(forgotten, collected.set)

def wait_for_the_lock():
    asked.set()
    try:
        waiting.execute("BEGIN IMMEDIATE")
        print("locked, then written")
    except sqlite3.OperationalError as error:
        print(error)

asked = threading.Event()
other = threading.Thread(target=wait_for_the_lock)
other.start()
asked.wait()
collect_garbage_in_thread()  # not before: an object that a collection has seen alive is none that the next allocations look at
del forgotten
kept = []
while not collected.is_set():  # allocations are what makes Python collect in this thread
    kept.append([])
    if len(kept) > 10_000:
        collected.wait(0.1)
writing.execute("COMMIT")
other.join()
"""


def test_a_collection_that_waits_for_a_connection_does_not_stop_the_thread_that_would_free_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORGOTTEN_STATEMENT, str(tmp_path / "prefect.db")], capture_output=True, text=True, check=True
    )

    assert done.stdout == "locked, then written\n"


READS_THEN_WRITES = """
import asyncio, sys
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration
from deployments.prefect_process import begin_immediate

begin_immediate()

async def main():
    prefect = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{sys.argv[1]}")
    engine = await prefect.engine()
    async with engine.begin() as session:
        await session.execute(sa.text("CREATE TABLE seen (number INTEGER)"))

    async def write(number, before=None):
        async with await prefect.session(engine) as session, prefect.begin_transaction(session):
            await session.execute(sa.text("SELECT max(number) FROM seen"))
            other = asyncio.create_task(before()) if before else None
            if other:
                await asyncio.wait({other}, timeout=1)  # it commits now, or waits for us
            await session.execute(sa.text("INSERT INTO seen VALUES (:number)"), {"number": number})
        if other:
            await other

    await write(1, before=lambda: write(2))
    async with engine.connect() as session:
        print((await session.execute(sa.text("SELECT count(*) FROM seen"))).scalar_one())
    await engine.dispose()

asyncio.run(main())
"""


def test_a_transaction_of_prefects_is_not_refused_for_what_another_wrote_since_it_read(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", READS_THEN_WRITES, str(tmp_path / "prefect.db")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr[-2000:]
