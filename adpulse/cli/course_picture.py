"""The course of a day as a picture: blocks in a terminal of 80 columns, without colour, and the same as an SVG file. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from adpulse.api.pages.chart import HEIGHT, NAMES, WIDTH, DayChart
from adpulse.cli.tables import plain

_ROWS, _BLOCKS, _PLAIN_BLOCKS = 4, "▁▂▃▄▅▆▇█", ".:-=+*%#"
_COLUMNS_OF_AN_HOUR, _NAME = 2, 24
_MICROS = 1_000_000
_HOURS = range(0, 25, 6)
_MARGIN, _TITLE, _AXIS = 16, 28, 36
"""Of a chart in the SVG: at its sides, above it for its title, and below it for the hours."""

_STYLE = """
text { font: 12px sans-serif; fill: #374151 }
.frame { fill: none; stroke: #d1d5db }
polyline { fill: none; stroke: #9ca3af; stroke-width: 1.5 }
polyline.ago0 { stroke: #2563eb; stroke-width: 2.5 }
polyline.ago7 { stroke-dasharray: 3 3 }
circle { fill: #9ca3af }
circle.ago0 { fill: #2563eb }
.theirs { fill: #f59e0b; opacity: 0.25 }
.ours { fill: #dc2626; opacity: 0.25 }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePicture:
    """The course of the spend of one workspace in one currency, by the hour of each account's own day."""

    workspace: str
    currency: str
    chart: DayChart

    @property
    def name(self) -> str:
        """Whose spend it is, and of which day."""
        return f"{self._owner}: spend of {NAMES[self._day].lower()}"

    @property
    def legend(self) -> str:
        """Whose spend the lines are, and how much the highest of them is."""
        highest = max((spend for _, spends in self.chart.rows for spend in spends if spend is not None), default=0)
        colours = "today blue, yesterday grey, a week ago dashed"
        return f"{self._owner}: spend by the hour, up to {highest / _MICROS:,.2f}; {colours}"

    @property
    def _owner(self) -> str:
        """The name of a workspace may be long: it is cut, so that the numbers are not."""
        return f"{plain(self.workspace)[:_NAME]}, {self.currency}"

    @property
    def _day(self) -> int:
        """How many days ago the day was that is known for most hours; the newest of those."""
        known = {ago: sum(spends[place] is not None for _, spends in self.chart.rows) for place, ago in enumerate(NAMES)}
        return max(known, key=lambda ago: (known[ago], -ago))

    def text(self, blocks: str = _BLOCKS) -> str:
        """The picture in lines of at most 80 characters; what was not read is empty."""
        place = list(NAMES).index(self._day)
        hours = [spends[place] for _, spends in self.chart.rows]
        known = [(end, spend) for (end, _), spend in zip(self.chart.rows, hours, strict=True) if spend is not None]
        if not known:
            return f"{self.name}: no whole hour of it is known yet"
        last, spend = known[-1]
        highest = max(spend for _, spend in known) or 1
        rows = [_row(hours, highest, row, blocks) for row in reversed(range(_ROWS))]
        labels = [f"{highest / _MICROS:,.0f}", *[""] * (_ROWS - 1)]
        width = len(hours) * _COLUMNS_OF_AN_HOUR
        axis = "".join(f"{hour:02}:00".ljust(6 * _COLUMNS_OF_AN_HOUR) for hour in _HOURS)
        return "\n".join(
            [
                f"{self.name}, {spend / _MICROS:,.2f} up to {last}",
                *(f"{label:>14} |{row}".rstrip() for label, row in zip(labels, rows, strict=True)),
                f"{'0':>14} +{'-' * width}",
                f"{'':>16}{axis}".rstrip(),
            ]
        )


def blocks_for(encoding: str | None) -> str:
    """The blocks that a terminal of this encoding can show."""
    try:
        _BLOCKS.encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return _PLAIN_BLOCKS
    return _BLOCKS


def svg(pictures: Sequence[CoursePicture]) -> str:
    """All of them below each other as one SVG file, with the lines of the days before."""
    height = HEIGHT + _TITLE + _AXIS
    drawn = "".join(_drawn(picture, number * height) for number, picture in enumerate(pictures))
    size = f"{WIDTH + 2 * _MARGIN} {len(pictures) * height}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"><style>{_STYLE}</style>{drawn}</svg>\n'


def _row(hours: Sequence[int | None], highest: int, row: int, blocks: str) -> str:
    """One line of blocks, counted from below; an hour with any spend has a block in the lowest."""
    line = ""
    for spend in hours:
        eighths = max(round(_ROWS * len(blocks) * (spend or 0) / highest), 1 if spend else 0) - row * len(blocks)
        line += (" " if eighths <= 0 else blocks[min(eighths, len(blocks)) - 1]) * _COLUMNS_OF_AN_HOUR
    return line


def _drawn(picture: CoursePicture, top: int) -> str:
    chart = picture.chart
    bands = [
        f'<rect class="{band.style}" x="{band.x:.1f}" y="0" width="{band.width:.1f}" height="{HEIGHT}"><title>{band.title}</title></rect>'
        for band in chart.bands
    ]
    lines = [
        f'<polyline class="{line.style}" points="{line.points}"><title>{line.name}</title></polyline>'
        f'<circle class="{line.style}" cx="{line.end[0]}" cy="{line.end[1]}" r="3"/>'
        for line in chart.lines
    ]
    hours = [f'<text x="{hour * WIDTH // 24}" y="{HEIGHT + 16}" text-anchor="middle">{hour:02}:00</text>' for hour in _HOURS]
    return (
        f'<g transform="translate({_MARGIN} {top + _TITLE})"><text x="0" y="-8">{escape(picture.legend)}</text>'
        f'<rect class="frame" width="{WIDTH}" height="{HEIGHT}"/>{"".join([*bands, *lines, *hours])}</g>'
    )
