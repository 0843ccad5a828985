"""One SVG of the whole table: a bar for each program, logarithmic, so that 2 ms and 20 s can be read on one axis."""
import math
from html import escape

from .report import seconds

WIDTH, LABELS, BAR, GAP, TOP = 960, 300, 15, 14, 92
COLORS = {"ours": "#2a78b5", "peer": "#b9bec5", "limit": "#e3c567"}
INK, FAINT = "#1c2128", "#6b7280"


def draw(results):
    """Every row that has timings. Bars of programs that gave another result are hatched."""
    rows = [(row["title"], [r for r in row["results"] if "median" in r]) for row in results["rows"].values()]
    rows = [(title, [bar | {"shown": value(bar, bars)} for bar in bars]) for title, bars in rows if bars]
    values = [bar["shown"] for _, bars in rows for bar in bars]
    if not values:
        return '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n'
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    height = TOP + sum(24 + BAR * len(bars) + GAP for _, bars in rows) + 20

    def x(value):
        return LABELS + (math.log10(value) - low) / max(high - low, 1) * (WIDTH - LABELS - 130)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
           f'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{INK}">',
           '<defs><pattern id="other" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
           f'<rect width="6" height="6" fill="#eef0f2"/><rect width="2" height="6" fill="{COLORS["peer"]}"/></pattern></defs>',
           f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
           f'<text x="20" y="30" font-size="17" font-weight="bold">Processor time for the same work, median (shorter is better)</text>',
           f'<text x="20" y="50" fill="{FAINT}">Logarithmic: each line of the grid is ten times the one before it. {escape(machine(results))}</text>']
    at = 20
    for key, text, fill in (("ours", "these tools", COLORS["ours"]), ("peer", "peers", COLORS["peer"]),
                            ("limit", "a bound, not a rival", COLORS["limit"]), ("other", "did not give the same result", "url(#other)")):
        out.append(f'<rect x="{at}" y="62" width="12" height="12" fill="{fill}"/><text x="{at + 17}" y="72">{text}</text>')
        at += 40 + 7 * len(text)
    for power in range(low, high + 1):
        place = x(10.0 ** power)
        out.append(f'<line x1="{place:.1f}" y1="{TOP}" x2="{place:.1f}" y2="{height - 20}" stroke="#e5e7eb"/>'
                   f'<text x="{place:.1f}" y="{height - 6}" text-anchor="middle" fill="{FAINT}">{seconds(10.0 ** power).replace(".00", "").replace(".0", "")}</text>')
    y = TOP
    for title, bars in rows:
        out.append(f'<text x="20" y="{y + 14}" font-weight="bold">{escape(title)}</text>')
        y += 22
        for bar in bars:
            fill = "url(#other)" if "difference" in bar else COLORS[bar["role"]]
            end = max(x(bar["shown"]), LABELS + 1)
            weight = ' font-weight="bold"' if bar["role"] == "ours" else ""
            out.append(f'<text x="{LABELS - 8}" y="{y + 11}" text-anchor="end" font-size="11"{weight}>{escape(bar["label"])}</text>'
                       f'<rect x="{LABELS}" y="{y + 1}" width="{end - LABELS:.1f}" height="{BAR - 3}" fill="{fill}"/>'
                       f'<text x="{end + 5:.1f}" y="{y + 11}" font-size="11">{seconds(bar["shown"])}</text>')
            y += BAR
        y += GAP + 2
    return "\n".join([*out, "</svg>"]) + "\n"


def value(bar, row):
    """Processor time: it says the same on a busy machine. In a row that times only a part of a run, that part by the clock."""
    return bar["cpu"] if all("cpu" in other for other in row) else bar["median"]


def machine(results):
    about = results.get("machine", {})
    return ", ".join(filter(None, [about.get("processor"), f"{about['cores']} cores" if about.get("cores") else None]))
