"""The few marks that charts are drawn with. Colours and fonts are classes: one style sheet does dark and light.

Whatever comes from the wire passes ``escape`` here: words and addresses. Classes and numbers are our own, and are not
escaped, so that a page of ten thousand marks is quick. Results are ``Markup``; templates print them as they are.
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
    """Return an ``<svg>``. ``label``: what a screen reader says, ``about``: and what it says when asked for more.

    ``stretch``: fill the box whatever its proportions.
    """
    ratio = Markup(' preserveAspectRatio="none"') if stretch else Markup()
    described = Markup("<desc>{}</desc>").format(about) if about else Markup()
    inside = Markup("").join(marks)
    role = "group" if "<a " in inside else "img"  # what stands in an image is not told to a screen reader
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="{}" aria-label="{}"{}>{}{}</svg>').format(
        css, short(width), short(height), role, label, ratio, described, inside
    )


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "") -> Markup:
    """Return a rectangle; ``title`` is what a pointer that rests on it is told."""
    place = f'x="{short(x)}" y="{short(y)}" width="{short(max(width, 0))}" height="{short(max(height, 0))}"'
    return Markup(f'<rect class="{css}" {place}>{_title(title)}</rect>')


def line(x1: float, y1: float, x2: float, y2: float, css: str, title: str = "") -> Markup:
    """Return a straight line; ``title`` is what a pointer that rests on it is told."""
    ends = f'x1="{short(x1)}" y1="{short(y1)}" x2="{short(x2)}" y2="{short(y2)}"'
    return Markup(f'<line class="{css}" {ends}>{_title(title)}</line>' if title else f'<line class="{css}" {ends}/>')


def path(points: Iterable[tuple[float, float]], css: str, closed: bool = False) -> Markup:
    """Return a line through points; ``closed``: back to the first, as the border of an area."""
    through = "L".join(f"{short(x)} {short(y)}" for x, y in points)
    return Markup(f'<path class="{css}" d="M{through}{"Z" if closed else ""}"/>')


def boxes(places: Iterable[tuple[float, float, float, float]], css: str, title: str = "") -> Markup:
    """Return rectangles as one mark: x, y, width and height of each; ``title`` is told of all of them."""
    path = "".join(f"M{short(x)} {short(y)}h{short(w)}v{short(h)}h{short(-w)}z" for x, y, w, h in places)
    return Markup(
        f'<path class="{css}" d="{path}">{_title(title)}</path>' if title else f'<path class="{css}" d="{path}"/>'
    )


def steps(run: Sequence[tuple[tuple[float, float], float]]) -> str:
    """Return a line of steps as the data of a path: from where to where, and how high; neighbours touch.

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
    """Return dots as one mark: strokes without a length, which the style sheet gives round ends."""
    return Markup(f'<path class="{css}" d="{"".join(f"M{short(x)} {short(y)}h.01" for x, y in points)}"/>')


def dot(x: float, y: float, radius: float, css: str, title: str = "") -> Markup:
    """Return a circle."""
    place = f'cx="{short(x)}" cy="{short(y)}" r="{short(radius)}"'
    return Markup(f'<circle class="{css}" {place}>{_title(title)}</circle>')


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> Markup:
    """Return words at a point; ``anchor``: start, middle or end."""
    return Markup(f'<text class="{css}" x="{short(x)}" y="{short(y)}" text-anchor="{anchor}">{escape(words)}</text>')


def link(address: str, marks: Iterable[Markup], title: str, stop: bool = True, current: bool = False) -> Markup:
    """Return marks that lead to an address of ours.

    Args:
        address: Where they lead to.
        marks: What is drawn.
        title: What a pointer that rests on any of them is told.
        stop: The tab key stops at it. Of a chart one link does; from there arrow keys go to the others.
        current: It is the one that the page shows.
    """
    more = ("" if stop else ' tabindex="-1"') + (' aria-current="true"' if current else "")
    return Markup(f'<a href="{escape(address)}"{more}>{_title(title)}{"".join(marks)}</a>')


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""


def short(value: float) -> str:
    """Write a number with one decimal at most."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
