"""Charts: small pictures as SVG text that follow the page's colors, light or dark, and need no library.

matplotlib was measured and left out: a second to import and about 60 ms a picture, against well under a millisecond.
Every chart scales to its width, carries its title as text for screen readers, and shows the exact values on hover.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

from thirtyfold.core.evidence import Picture

__all__ = ["bars", "grid", "histogram", "lines", "number", "scatter", "spread"]

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 44
COLORS = ("--c1, #2f6fde", "--c2, #d9642c", "--c3, #2a9d66", "--c4, #8e57c9", "--c5, #b0891b", "--c6, #c2407b")


def number(value: float) -> str:
    """A number as a person writes it: at most four figures that matter."""
    if math.isnan(value):
        return "–"
    size = abs(value)
    if size >= 1e6 or (0 < size < 1e-3):
        return f"{value:.2e}"
    if size >= 1000 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.4g}"


def spread(low: float, high: float, rows: int) -> str:
    """The 95 % interval of a score in words.

    Where every draw gives the same score (no error, say) the interval has no width, and says more than ``rows`` can:
    then what is told is the rule of three, 3 / rows, the 95 % limit of what was never seen (Hanley and Lippman-Hand,
    1983).
    """
    if low == high:
        return f"the same in every draw; with 95 % confidence fewer than {min(1.0, 3 / rows):.2%} of such rows differ"
    return f"95 % interval {number(low)} to {number(high)}"


def bars(title: str, labels: Sequence[str], values: Sequence[float], note: str = "") -> Picture:
    """Horizontal bars, one a label, in the order given."""
    row, label = 24, 190
    height = max(1, len(labels)) * row + 12
    top = max([abs(v) for v in values if math.isfinite(v)], default=0) or 1.0
    parts = []
    for at, (name, value) in enumerate(zip(labels, values, strict=True)):
        y = 6 + at * row
        long = 0 if not math.isfinite(value) else abs(value) / top * (WIDTH - label - 90)
        color = COLORS[0] if value >= 0 else COLORS[1]
        parts += [
            _text(label - 8, y + 15, _short(name, 25), "end"),
            f'<rect x="{label}" y="{y + 3}" width="{long:.1f}" height="{row - 8}" rx="2" style="fill:var({color})">'
            f"<title>{escape(str(name))}: {number(value)}</title></rect>",
            _text(label + long + 6, y + 15, number(value)),
        ]
    return _picture(title, "".join(parts), note, height)


def histogram(title: str, edges: Sequence[float], counts: Sequence[float], note: str = "") -> Picture:
    """Counts over intervals; ``edges`` has one more entry than ``counts``."""
    if not counts:
        return _picture(title, "", note)
    x, y = _Axis(edges[0], edges[-1], LEFT, WIDTH - RIGHT), _Axis(0, max(counts), HEIGHT - BOTTOM, TOP)
    parts = [_frame(x, y)]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        wide = max(1.0, x(high) - x(low) - 1)
        parts.append(
            f'<rect x="{x(low):.1f}" y="{y(count):.1f}" width="{wide:.1f}" height="{max(0.0, y(0) - y(count)):.1f}" '
            f'style="fill:var({COLORS[0]})"><title>{number(low)} to {number(high)}: {number(count)}</title></rect>'
        )
    return _picture(title, "".join(parts), note)


def lines(
    title: str,
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    x_label: str = "",
    y_label: str = "",
    note: str = "",
) -> Picture:
    """One line a series over common x; values that are not finite leave a gap."""
    known = [v for ys in series.values() for v in ys if math.isfinite(v)]
    across = _Axis(min(x, default=0), max(x, default=1), LEFT, WIDTH - RIGHT)
    up = _Axis(min(known, default=0), max(known, default=1), HEIGHT - BOTTOM, TOP + 16)
    parts = [_frame(across, up, x_label, y_label)]
    for at, (name, ys) in enumerate(series.items()):
        points = [(across(a), up(b)) for a, b in zip(x, ys, strict=False) if math.isfinite(b)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        color = COLORS[at % len(COLORS)]
        parts.append(f'<polyline points="{path}" style="fill:none;stroke:var({color});stroke-width:2"/>')
        if len(points) <= 60:
            parts += [
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" style="fill:var({color})">'
                f"<title>{escape(name)}: {number(v)} at {number(w)}</title></circle>"
                for (a, b), v, w in zip(points, [v for v in ys if math.isfinite(v)], x, strict=False)
            ]
        parts.append(_key(at, name, color))
    return _picture(title, "".join(parts), note)


def scatter(
    title: str,
    x: Sequence[float],
    y: Sequence[float],
    x_label: str = "",
    y_label: str = "",
    note: str = "",
    *,
    diagonal: bool = False,
) -> Picture:
    """Points; ``diagonal`` draws the line on which both are equal."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    xs, ys = [a for a, _ in points], [b for _, b in points]
    if diagonal:
        xs = ys = xs + ys
    across = _Axis(min(xs, default=0), max(xs, default=1), LEFT, WIDTH - RIGHT)
    up = _Axis(min(ys, default=0), max(ys, default=1), HEIGHT - BOTTOM, TOP)
    parts = [_frame(across, up, x_label, y_label)]
    if diagonal and points:
        a, b = across.low, across.high
        parts.append(
            f'<line x1="{across(a):.1f}" y1="{up(a):.1f}" x2="{across(b):.1f}" y2="{up(b):.1f}" '
            'style="stroke:currentColor;opacity:.5;stroke-dasharray:5 4"/>'
        )
    parts += [
        f'<circle cx="{across(a):.1f}" cy="{up(b):.1f}" r="3" style="fill:var({COLORS[0]});opacity:.55">'
        f"<title>{number(a)}, {number(b)}</title></circle>"
        for a, b in points[:1500]
    ]
    return _picture(title, "".join(parts), note)


def grid(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    note: str = "",
) -> Picture:
    """A table of shaded cells: confusion, association. Shade follows size, so zero is blank."""
    left, head = 150, 70
    wide = min(90.0, (WIDTH - left - 10) / max(1, len(columns)))
    tall = 30
    top = max([abs(v) for line in values for v in line if math.isfinite(v)], default=0) or 1.0
    parts = []
    for j, name in enumerate(columns):
        x = left + (j + 0.5) * wide
        parts.append(
            f'<text x="{x:.0f}" y="{head - 8}" transform="rotate(-35 {x:.0f} {head - 8})" '
            f'class="t">{escape(_short(name, 14))}</text>'
        )
    for i, line in enumerate(values):
        y = head + i * tall
        parts.append(_text(left - 8, y + 20, _short(rows[i], 20), "end"))
        for j, value in enumerate(line):
            shade = 0.0 if not math.isfinite(value) else 0.08 + 0.8 * abs(value) / top if value else 0.0
            parts.append(
                f'<rect x="{left + j * wide:.1f}" y="{y}" width="{wide - 2:.1f}" height="{tall - 2}" '
                f'style="fill:var({COLORS[0] if value >= 0 else COLORS[1]});opacity:{shade:.2f}">'
                f"<title>{escape(rows[i])}, {escape(columns[j])}: {number(value)}</title></rect>"
            )
            if wide > 34:
                parts.append(_text(left + (j + 0.5) * wide, y + 20, number(value), "middle"))
    return _picture(title, "".join(parts), note, head + len(rows) * tall + 8)


class _Axis:
    """A linear scale from values to places, with round ticks."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        if not high > low:
            low, high = low - 0.5, high + 0.5
        self.low, self.high, self.start, self.end = float(low), float(high), start, end

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self) -> list[float]:
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = min((m * unit for m in (1, 2, 2.5, 5, 10)), key=lambda s: abs(s - rough))
        first = math.ceil(self.low / step)
        return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _frame(x: _Axis, y: _Axis, x_label: str = "", y_label: str = "") -> str:
    base = HEIGHT - BOTTOM
    parts = [f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" class="a"/>']
    for tick in y.ticks():
        parts.append(f'<line x1="{LEFT}" y1="{y(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{y(tick):.1f}" class="g"/>')
        parts.append(_text(LEFT - 6, y(tick) + 4, number(tick), "end"))
    parts += [_text(x(tick), base + 18, number(tick), "middle") for tick in x.ticks()]
    if x_label:
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label, "middle"))
    if y_label:
        parts.append(
            f'<text x="14" y="{HEIGHT / 2 - 20}" transform="rotate(-90 14 {HEIGHT / 2 - 20})" '
            f'text-anchor="middle" class="t">{escape(y_label)}</text>'
        )
    return "".join(parts)


def _key(at: int, name: str, color: str) -> str:
    x = LEFT + 8 + (at % 4) * 145
    y = TOP + (at // 4) * 16
    return f'<rect x="{x}" y="{y - 8}" width="10" height="10" style="fill:var({color})"/>' + _text(
        x + 15, y + 1, _short(name, 18)
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="t">{escape(str(text))}</text>'


def _short(text: object, most: int) -> str:
    text = str(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _picture(title: str, body: str, note: str, height: float = HEIGHT) -> Picture:
    style = (
        "<style>.t{font:12px system-ui,sans-serif;fill:currentColor}.a{stroke:currentColor;opacity:.5}"
        ".g{stroke:currentColor;opacity:.12}</style>"
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{style}{body}</svg>'
    )
    return Picture(title, svg, note)
