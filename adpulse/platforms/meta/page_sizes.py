"""How many rows a page is requested with: more after full pages, fewer after a refusal, for each account and edge. Step: fetch.

Meta names no largest page. A response is limited by its rows and by the data points behind them (Insights API, "Limits and Best
Practices", section "Data Per Call Limits": error 100/1487534; error 1 "Please reduce the amount of data you're asking for", issue 294 of
facebook-python-business-sdk), and public connectors request up to 5,000 rows. So the size is found by trying.
"""

from dataclasses import dataclass

from adpulse.ladder import smaller_page
from adpulse.model import PageSizes
from adpulse.platforms.base import WorkingSizes

REPORTS = "insights"
_WALK = "walk"
_WALKED = ("adsets", "ads")
"""The edges of a walk that have many rows."""

SMALLEST_PAGE = 25
_CAREFUL_ROWS = 50


class EdgeSizes:
    """The rows a page of the accounts' edges, in one process.

    A size that was refused limits its edge and grows back by the hour (``refused``, shared by all workers); up to there the size doubles
    with each full page. The edges of a walk share what they reached.
    """

    def __init__(self, refused: WorkingSizes, first: int, largest: int) -> None:
        self._refused, self.first, self._largest = refused, min(first, largest), largest
        self._reached = dict[tuple[str, str], int]()

    def current(self, account: str, edge: str, stored: PageSizes) -> int:
        """The rows to request now; ``stored`` is what was reached before this process began."""
        before = stored.report if edge == REPORTS else stored.walk
        return min(self._reached.get((account, _group(edge)), before or self.first), self.most(account, edge))

    def most(self, account: str, edge: str) -> int:
        """The rows that may be tried."""
        return self._refused.current(account, edge, self._largest)

    def of_account(self, account: str, stored: PageSizes) -> PageSizes:
        """The rows of the next pages of reports and of a walk."""
        walk = min(self.current(account, edge, stored) for edge in _WALKED)
        return PageSizes(report=self.current(account, REPORTS, stored), walk=walk)

    def reached(self, account: str, edge: str, rows: int) -> None:
        """A full page was answered: the next one may have so many rows."""
        self._reached[account, _group(edge)] = rows

    def refused(self, account: str, edge: str, answered: int) -> None:
        """A larger page was refused, and this one was not."""
        self._refused.note(account, edge, answered)


@dataclass(slots=True, kw_only=True)
class PageSize:
    """Rows of the next page of one request of so many days, and how often it may still shrink.

    ``grows``: the rows may become more. ``careful``: so many rows more are read in small pages, as one of them refuses its page.
    """

    sizes: EdgeSizes
    account: str
    edge: str
    rows: int
    shrinks: int
    days: int = 1
    grows: bool = False
    careful: int = 0
    _shrunk: bool = False

    @property
    def requested(self) -> int:
        """The rows to request."""
        return min(self.rows, _CAREFUL_ROWS) if self.careful > 0 else self.rows

    def take_care(self) -> bool:
        """Read the next rows in small pages; False if they are small already."""
        if self.careful > 0 or self.rows <= _CAREFUL_ROWS:
            return False
        self.careful = self.rows
        return True

    def shrink(self) -> bool:
        """Request fewer rows; False if there are no fewer to request."""
        if not self.shrinks or self.rows <= SMALLEST_PAGE:
            return False
        self.rows = smaller_page(self.rows, self.days, SMALLEST_PAGE)
        self.shrinks, self._shrunk, self.grows = self.shrinks - 1, True, False
        return True

    def answered(self, rows: int, *, more: bool) -> None:
        """A page was answered with so many rows, and whether there are more."""
        full = rows >= self.requested and more
        if self._shrunk:
            self.sizes.refused(self.account, self.edge, self.rows)
            self._shrunk = False
        if self.careful > 0:
            self.careful -= self.requested
        elif full and self.grows:
            self.rows = min(self.rows * 2, self.sizes.most(self.account, self.edge))
            self.sizes.reached(self.account, self.edge, self.rows)

    def failed(self) -> None:
        """A page failed without a name: one that had grown may have been too big, so the next read begins with a small one."""
        if self.grows and self.rows > self.sizes.first:
            self.sizes.refused(self.account, self.edge, self.sizes.first)


def _group(edge: str) -> str:
    return edge if edge == REPORTS else _WALK
