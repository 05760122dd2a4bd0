"""The SVG marks of charts. Colours and fonts are classes: one style sheet serves dark and light mode.

Received text, that is words and addresses, is escaped here. Classes and numbers come from our code and are not
escaped, so that a page of ten thousand marks is fast. Results are ``Markup``; templates print them unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape


def picture(
    width: float,
    height: float,
    marks: Iterable[Markup],
    label: str,
    css: str = "",
    stretch: bool = False,
    about: str = "",
) -> Markup:
    """Return an ``<svg>``. ``label``: its name for screen readers; ``about``: a longer description for them.

    ``stretch``: fill the box whatever its proportions.
    """
    ratio = Markup(' preserveAspectRatio="none"') if stretch else Markup()
    described = Markup("<desc>{}</desc>").format(about) if about else Markup()
    inside = Markup("").join(marks)
    role = "group" if "<a " in inside else "img"  # screen readers do not read the content of an image
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="{}" aria-label="{}"{}>{}{}</svg>').format(
        css, short(width), short(height), role, label, ratio, described, inside
    )


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "") -> Markup:
    """Return a rectangle; ``title`` is its tooltip."""
    place = f'x="{short(x)}" y="{short(y)}" width="{short(max(width, 0))}" height="{short(max(height, 0))}"'
    return Markup(f'<rect class="{css}" {place}>{_title(title)}</rect>')


def line(x1: float, y1: float, x2: float, y2: float, css: str, title: str = "") -> Markup:
    """Return a straight line; ``title`` is its tooltip."""
    ends = f'x1="{short(x1)}" y1="{short(y1)}" x2="{short(x2)}" y2="{short(y2)}"'
    return Markup(f'<line class="{css}" {ends}>{_title(title)}</line>' if title else f'<line class="{css}" {ends}/>')


def path(points: Iterable[tuple[float, float]], css: str, closed: bool = False) -> Markup:
    """Return a line through points; ``closed``: back to the first point, as the border of an area."""
    through = "L".join(f"{short(x)} {short(y)}" for x, y in points)
    return Markup(f'<path class="{css}" d="M{through}{"Z" if closed else ""}"/>')


def boxes(places: Iterable[tuple[float, float, float, float]], css: str, title: str = "") -> Markup:
    """Return rectangles as one mark: x, y, width and height of each; ``title`` is their tooltip."""
    path = "".join(f"M{short(x)} {short(y)}h{short(w)}v{short(h)}h{short(-w)}z" for x, y, w, h in places)
    return Markup(
        f'<path class="{css}" d="{path}">{_title(title)}</path>' if title else f'<path class="{css}" d="{path}"/>'
    )


def steps(run: Sequence[tuple[tuple[float, float], float]]) -> str:
    """Return a step line as path data from (begin, end) and height; neighbours must touch.

    >>> steps([((0.0, 2.0), 5.0), ((2.0, 4.5), 5.0), ((4.5, 6.0), 1.25)])
    'M0 5H4.5V1.2H6'
    """
    path, before = "", ""
    for (begin, end), value in run:
        height = short(value)
        if path and height == before:
            path = path[: path.rindex("H")]
        else:
            path += f"V{height}" if path else f"M{short(begin)} {height}"
        path, before = f"{path}H{short(end)}", height
    return path


def dots(points: Iterable[tuple[float, float]], css: str) -> Markup:
    """Return dots as one mark: strokes of length 0.01 with round ends from the style sheet."""
    return Markup(f'<path class="{css}" d="{"".join(f"M{short(x)} {short(y)}h.01" for x, y in points)}"/>')


def dot(x: float, y: float, radius: float, css: str, title: str = "") -> Markup:
    """Return a circle."""
    place = f'cx="{short(x)}" cy="{short(y)}" r="{short(radius)}"'
    return Markup(f'<circle class="{css}" {place}>{_title(title)}</circle>')


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> Markup:
    """Return words at a point; ``anchor``: start, middle or end."""
    return Markup(f'<text class="{css}" x="{short(x)}" y="{short(y)}" text-anchor="{anchor}">{escape(words)}</text>')


def link(address: str, marks: Iterable[Markup], title: str, stop: bool = True, current: bool = False) -> Markup:
    """Return marks that link to an address of the processor.

    Args:
        address: Target of the link.
        marks: The drawing.
        title: Tooltip of all marks.
        stop: The tab key stops here. One link per chart is a stop; arrow keys move to the others.
        current: The page shows this target.
    """
    more = ("" if stop else ' tabindex="-1"') + (' aria-current="true"' if current else "")
    return Markup(f'<a href="{escape(address)}"{more}>{_title(title)}{"".join(marks)}</a>')


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""


def short(value: float) -> str:
    """Write a number with at most one decimal."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
