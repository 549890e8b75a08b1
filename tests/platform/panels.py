"""Panels of Grafana's dashboards, drawn as SVG: time series, single figures, and where each is."""

import datetime
import html
import math
import re

# Pixels of one of the 24 columns, and of a row of the grid, as Grafana has them at 1,200 pixels.
COLUMN, ROW, GAP = 50, 30, 8
COLOURS = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300"]
BACKGROUND, PANEL, TEXT, FAINT = "#111217", "#181b1f", "#ccccdc", "#2c3235"
# A legend has no more lines; what is not told is in the last.
LEGEND = 9


def expression(text, installation, interval):
    """What Grafana makes of an expression: its variables filled in."""
    return text.replace("$__rate_interval", interval).replace("$installation", installation)


def overlaps(dashboard):
    """Panels that lie over one another."""
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            other = taken.setdefault(cell, panel["title"])
            if other != panel["title"]:
                yield f"'{panel['title']}' lies over '{other}'"
                break


def said(value, unit):
    """A figure in words."""
    match unit:
        case "percentunit":
            return f"{100 * value:.3g} %"
        case "s":
            scale = next((s for s in ((3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")) if abs(value) >= s[0]), (1e-6, "µs"))
            return "0 s" if value == 0 else f"{value / scale[0]:.3g} {scale[1]}"
        case "ops":
            return f"{value:.3g}/s"
        case "dateTimeFromNow":
            seconds = datetime.datetime.now(datetime.UTC).timestamp() - value / 1000
            return f"{said(seconds, 's')} ago"
    return f"{value:.4g}"


def named(target, labels):
    """A series' name by the target's legend."""
    legend = target.get("legendFormat") or ""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)


def text(x, y, words, size=12, colour=TEXT, anchor="start", weight="normal"):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">{html.escape(words)}</text>'


def shortened(words, most):
    return words if len(words) <= most else words[: most - 1] + "…"


def steps(most):
    """Round figures of an axis up to the largest value."""
    if most <= 0:
        return [0, 1]
    rough = most / 3
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * index for index in range(math.ceil(most / step) + 1)]


def series_panel(x, y, width, height, panel, targets, span):
    unit = panel["fieldConfig"]["defaults"].get("unit", "short")
    lines = [(named(target, one["labels"]), one["points"]) for target, series in targets for one in series]
    points = [point for _, line in lines for point in line if point[1] is not None]
    if not points:
        return [text(x + width / 2, y + height / 2, "No data", 14, anchor="middle")]
    ticks = steps(max(value for _, value in points))
    first, last = span
    left, right, top = x + 62, x + width - 12, y + 32
    shown = sorted(lines, key=lambda line: -max((value or 0 for _, value in line[1]), default=0))
    told = shown if len(shown) <= LEGEND else shown[: LEGEND - 1]
    bottom = y + height - 26 - 14 * math.ceil((len(told) + (len(shown) > len(told))) / 3)
    across = lambda at: left + (right - left) * ((at - first) / max(last - first, 1))  # noqa: E731
    up = lambda value: bottom - (bottom - top) * (value / ticks[-1])  # noqa: E731
    drawn = []
    for tick in ticks:
        drawn.append(f'<path d="M{left:.0f} {up(tick):.1f}H{right:.0f}" stroke="{FAINT}"/>')
        drawn.append(text(left - 6, up(tick) + 4, said(tick, unit), 11, anchor="end"))
    for index in range(5):
        at = first + (last - first) * index / 4
        when = datetime.datetime.fromtimestamp((at - first) / 1000, datetime.UTC).strftime("%M:%S")
        drawn.append(text(across(at), bottom + 15, when, 11, anchor=("start", "middle", "middle", "middle", "end")[index]))
    for index, (_, line) in enumerate(shown):
        path, gap = "", True
        for at, value in line:
            path += "" if value is None else f"{'M' if gap else 'L'}{across(at):.1f} {up(value):.1f}"
            gap = value is None
        drawn.append(f'<path d="{path}" fill="none" stroke="{COLOURS[index % len(COLOURS)]}" stroke-width="1.5"/>')
    entries = [(name, COLOURS[index % len(COLOURS)]) for index, (name, _) in enumerate(told)]
    if len(shown) > len(told):
        entries.append((f"and {len(shown) - len(told)} more", TEXT))
    wide = (right - left + 40) / 3
    for index, (name, colour) in enumerate(entries):
        place = left - 40 + (index % 3) * wide, bottom + 34 + 14 * (index // 3)
        name = shortened(name, int((wide - 20) / 6.2))
        if name:
            drawn.append(f'<path d="M{place[0]:.0f} {place[1] - 4:.0f}h10" stroke="{colour}" stroke-width="3"/>')
        drawn.append(text(place[0] + 14, place[1], name, 11))
    return drawn


def figure_panel(x, y, width, height, panel, targets, _):
    unit = panel["fieldConfig"]["defaults"].get("unit", "short")
    last = [one["points"][-1][1] for _, series in targets for one in series if one["points"]]
    words = "No data" if not last else "NaN" if last[0] is None else said(last[0], unit)
    return [text(x + width / 2, y + height / 2 + 20, words, 32, COLOURS[0], "middle", "bold")]


def picture(dashboard, targets, span):
    """A dashboard as SVG, over a span of time."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) * ROW
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN + GAP} {bottom + 40 + GAP}" font-family="Inter, Helvetica, Arial, sans-serif">',
        f'<rect width="100%" height="100%" fill="{BACKGROUND}"/>',
        text(GAP + 4, 28, dashboard["title"], 18, weight="bold"),
    ]
    for index, panel in enumerate(dashboard["panels"]):
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + GAP, place["y"] * ROW + 40
        width, height = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
        drawn.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{PANEL}" stroke="{FAINT}"/>')
        drawn.append(text(x + 10, y + 20, panel["title"], 13, weight="bold"))
        draw = figure_panel if panel["type"] == "stat" else series_panel
        drawn += draw(x, y, width, height, panel, targets[index], span)
    return "\n".join([*drawn, "</svg>"]) + "\n"
