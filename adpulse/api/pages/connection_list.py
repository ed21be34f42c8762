"""The list of connections as its address says it: filtered, ordered, and one numbered page of it with the totals of all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from adpulse import presentation
from adpulse.api.access import PRINTABLE, Caller
from adpulse.api.fields import ProviderName
from adpulse.bootstrap import App
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus
from adpulse.services.spending import Spending, spending_of
from storage.control.connections import ConnectionView
from storage.control.listing import Criteria
from storage.control.numbered_list import Column, Entry, ordered

PAGE_SIZE = 100
_MOST_PAGES = 100_000
_NEIGHBOURS = 2
_DOWN = "-"
"""In front of a column: from its other end."""

ORDERS = {
    "name": "Name",
    "state": "Worst state first",
    "synced": "Longest without a sync first",
    "-synced": "Synced last first",
    "-changed": "Changed last first",
    "frequency": "Frequency",
    "-spend": "Spend today, by currency",
}
"""The orders that the form offers; the heads of columns offer both ends of each."""


class Filters(BaseModel):
    """The filters, the order and the page in the address; an empty filter matches all."""

    workspace: str = Field("", max_length=255)
    provider: ProviderName | Literal[""] = ""
    status: ConnectionStatus | Literal[""] = ""
    frequency: Frequency | Literal[""] = ""
    label: str = Field("", max_length=255, pattern=PRINTABLE)
    q: str = Field("", max_length=255, pattern=PRINTABLE)
    sort: str = Field(Column.NAME.value, pattern=rf"^{_DOWN}?({'|'.join(Column)})$")
    page: int = Field(1, ge=1, le=_MOST_PAGES)

    def criteria(self, caller: Caller) -> Criteria:
        """The filters as criteria for storage, within what the caller may see."""
        return Criteria(
            workspace_id=caller.workspace_id or self.workspace or None,
            provider=self.provider or None,
            status=self.status or None,
            frequency=self.frequency or None,
            label=self.label or None,
            search=self.q.strip() or None,
        )

    @property
    def narrows(self) -> bool:
        """Whether it leaves connections out."""
        return bool(self.workspace or self.provider or self.status or self.frequency or self.label or self.q.strip())

    @property
    def column(self) -> Column:
        """The column of the order."""
        return Column(self.sort.removeprefix(_DOWN))

    @property
    def descends(self) -> bool:
        """Whether the order begins at the other end of the column."""
        return self.sort.startswith(_DOWN)

    def other_end(self, column: str) -> str:
        """The order that the head of a column leads to: by it, or from its other end when it is the order already."""
        return _DOWN + column if self.sort == column else column

    def query(self, **changes: Any) -> str:
        """The address of this list with some of it changed; another order begins with the first page."""
        first = {"page": 1} if changes else {}
        return urlencode(self.kept(**(first | changes)))

    def kept(self, **changes: Any) -> list[tuple[str, str]]:
        """What the address of this list says, name by name, for fields of a form that leads back to it."""
        names = Filters.model_fields
        values = {name: getattr(self, name) for name in names} | changes
        return [(name, str(value)) for name, value in values.items() if value != names[name].default]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of the connections that match with their spend, and of all of them how many there are in each state, in words."""

    views: Sequence[ConnectionView]
    number: int
    pages: int
    total: int
    states: Sequence[tuple[str, int]]
    spending: Mapping[str, Spending]

    @property
    def numbers(self) -> list[int | None]:
        """The pages to link: the first, the last and those near this one; None stands for those between."""
        near = {1, self.pages, *range(max(1, self.number - _NEIGHBOURS), min(self.pages, self.number + _NEIGHBOURS) + 1)}
        links: list[int | None] = []
        for number in sorted(near):
            if links and links[-1] != number - 1:
                links.append(None)
            links.append(number)
        return links


def list_all(app: App, criteria: Criteria, chosen: Filters) -> list[Entry]:
    """All that match, in the chosen order; spend is read of all of them only where it decides the order."""
    entries = app.numbered_list.entries(criteria)
    spending = spending_of(app, entries) if chosen.column is Column.SPEND else {}
    spent = {connection_id: of_one.today.spend for connection_id, of_one in spending.items() if of_one.today}
    return ordered(entries, chosen.column, descending=chosen.descends, spent=spent)


def read_page(app: App, criteria: Criteria, chosen: Filters) -> ListPage:
    """The page of a list; a page beyond the end is the last one, as connections may have gone since the address was made."""
    listed = list_all(app, criteria, chosen)
    pages = max(-(-len(listed) // PAGE_SIZE), 1)
    number = min(chosen.page, pages)
    ids = page_ids(listed, number)
    views = {view.connection.id: view for view in app.connections.page(Criteria(ids=ids), None)}
    words = Counter(presentation.describe_status(entry.status, entry.sync_status) for entry in listed)
    return ListPage(
        views=[views[connection_id] for connection_id in ids if connection_id in views],
        number=number,
        pages=pages,
        total=len(listed),
        states=words.most_common(),
        spending=spending_of(app, page_of(listed, number)),
    )


def page_ids(listed: Sequence[Entry], number: int) -> list[str]:
    """The ids of one page of an ordered list."""
    return [entry.id for entry in page_of(listed, number)]


def page_of(listed: Sequence[Entry], number: int) -> Sequence[Entry]:
    """One page of an ordered list."""
    return listed[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
