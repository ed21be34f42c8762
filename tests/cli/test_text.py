"""Names are text on the terminal and in the log: no markup, no colours, no lines of their own."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpulse import logs
from adpulse.cli.tables import plain, print_table

MARKUP = "[red]Sale[/red] [link=http://x]now[/] [/nothing]"


def test_markup_in_a_cell_a_column_and_a_title_is_text(capsys):
    print_table([MARKUP], [[MARKUP]], title=MARKUP)

    assert capsys.readouterr().out.count(MARKUP) == 3


@given(st.text(st.characters(categories=["Cc", "L"])))
def test_no_control_character_reaches_the_terminal(text):
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in plain(text))


@pytest.mark.parametrize("name", ["Shop\n2026-01-01 00:00:00 ERROR adpulse the key is lost", "Shop\r\nx"])
def test_a_name_begins_no_line_of_the_log(tmp_path, name):
    path = tmp_path / "worker.log"
    root = logging.getLogger("adpulse")
    before = list(root.handlers)
    logs.to_file(path)
    try:
        logging.getLogger("adpulse.test").warning("connection %s is odd", name)
    finally:
        for group in logs.OURS:
            logger = logging.getLogger(group)
            for handler in set(logger.handlers) - set(before):
                logger.removeHandler(handler)
                handler.close()

    (line,) = path.read_text().splitlines()
    assert "is odd" in line


def test_status_shows_a_name_with_markup_as_it_is(installation, capsys):
    from adpulse.cli.connections import list_connections, status  # noqa: PLC0415 - beside its use

    connection = installation.connect("Harbor Outdoor")
    installation.app.connections.rename(connection.id, "[red]=Sale[/red] [/oops]")

    list_connections()
    status(connection.id)

    assert capsys.readouterr().out.count("[red]=") == 2
