"""The SVG marks of charts. Colours and fonts are classes: one style sheet serves dark and light mode.

Received text, that is words and addresses, is escaped here. Classes and numbers come from our code and are not
escaped, so that a page of ten thousand marks is fast. Results are ``Markup``; templates print them unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Point = tuple[float, float]
"""A position: from the left and from the top."""

Box = tuple[float, float, float, float]
"""A rectangle: left, top, width and height."""


def picture(
    width: float,
    height: float,
    marks: Iterable[Markup],
    label: str = "",
    css: str = "chart",
    *,
    about: str = "",
    stretch: bool = False,
    data: str = "",
) -> Markup:
    """Return an ``<svg>``.

    Args:
        width: Width of the drawing in its own units.
        height: Height of the drawing.
        marks: What is drawn.
        label: Its name for screen readers; "" = they skip it, because the text next to it has all it shows.
        css: Its class.
        about: A longer description for screen readers.
        stretch: Fill the box whatever its proportions.
        data: Attributes for the scripts of the page; not escaped.
    """
    inside = Markup("<desc>{}</desc>").format(about) if about else Markup()
    inside += Markup("").join(marks)
    role = "group" if "<a " in inside else "img"  # screen readers do not read the content of an image
    name = f'role="{role}" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    ratio = ' preserveAspectRatio="none"' if stretch else ""
    box = f'viewBox="0 0 {short(width)} {short(height)}"'
    return Markup(f'<svg class="{css}" {box} {name}{ratio}{data}>{inside}</svg>')


def rect(box: Box, css: str, title: str = "") -> Markup:
    """Return a rectangle; ``title`` is its tooltip."""
    x, y, width, height = box
    place = f'x="{short(x)}" y="{short(y)}" width="{short(max(width, 0))}" height="{short(max(height, 0))}"'
    return _mark("rect", css, place, title)


def line(begin: Point, end: Point, css: str, title: str = "") -> Markup:
    """Return a straight line; ``title`` is its tooltip."""
    (x1, y1), (x2, y2) = begin, end
    return _mark("line", css, f'x1="{short(x1)}" y1="{short(y1)}" x2="{short(x2)}" y2="{short(y2)}"', title)


def dot(point: Point, radius: float, css: str, title: str = "") -> Markup:
    """Return a circle; ``title`` is its tooltip."""
    return _mark("circle", css, f'cx="{short(point[0])}" cy="{short(point[1])}" r="{short(radius)}"', title)


def path(points: Iterable[Point], css: str, closed: bool = False) -> Markup:
    """Return a line through points; ``closed``: back to the first point, as the border of an area."""
    through = "L".join(f"{short(x)} {short(y)}" for x, y in points)
    return _mark("path", css, f'd="M{through}{"Z" if closed else ""}"')


def boxes(places: Iterable[Box], css: str, title: str = "") -> Markup:
    """Return rectangles as one mark; ``title`` is their tooltip."""
    drawn = "".join(f"M{x:.1f} {y:.1f}h{w:.1f}v{h:.1f}h-{w:.1f}z" for x, y, w, h in places)
    for letter in " hvz":  # once per mark, because a heat map has ten thousands of numbers
        drawn = drawn.replace(f".0{letter}", letter)
    return _mark("path", css, f'd="{drawn}"', title)


def uprights(lines: Iterable[tuple[float, float, float]], css: str) -> Markup:
    """Return upright lines as one mark: x, and y of both ends."""
    return _mark("path", css, f'd="{"".join(f"M{short(x)} {short(y)}V{short(end)}" for x, y, end in lines)}"')


def dots(points: Iterable[Point], css: str) -> Markup:
    """Return dots as one mark: strokes of length 0.01 with round ends from the style sheet."""
    return _mark("path", css, f'd="{"".join(f"M{short(x)} {short(y)}h.01" for x, y in points)}"')


def steps(run: Iterable[tuple[Point, float]], css: str, closed: bool = False) -> Markup:
    """Return a step line from (begin, end) and height; neighbours must touch. ``closed``: the border of an area.

    >>> steps([((0.0, 2.0), 5.0), ((2.0, 4.5), 5.0), ((4.5, 6.0), 1.25)], "line")
    Markup('<path class="line" d="M0 5H4.5V1.2H6"/>')
    """
    drawn, before = "", ""
    for (begin, end), value in run:
        height = short(value)
        if drawn and height == before:
            drawn = drawn[: drawn.rindex("H")]
        else:
            drawn += f"V{height}" if drawn else f"M{short(begin)} {height}"
        drawn, before = f"{drawn}H{short(end)}", height
    return _mark("path", css, f'd="{drawn}{"z" if closed else ""}"')


def text(point: Point, words: str, css: str = "axis", anchor: str = "start") -> Markup:
    """Return words at a point; ``anchor``: start, middle or end."""
    x, y = point
    return Markup(f'<text class="{css}" x="{short(x)}" y="{short(y)}" text-anchor="{anchor}">{escape(words)}</text>')


def link(
    address: str, marks: Iterable[Markup], title: str, css: str = "", *, stop: bool = False, current: bool = False
) -> Markup:
    """Return marks that link to an address of the processor.

    Args:
        address: Target of the link.
        marks: The drawing.
        title: Tooltip of all marks.
        css: Its class.
        stop: The tab key stops here. One link per chart is a stop; arrow keys move to the others.
        current: The page shows this target.
    """
    named = f'class="{css}" ' if css else ""
    more = ("" if stop else ' tabindex="-1"') + (' aria-current="true"' if current else "")
    return Markup(f'<a {named}href="{escape(address)}"{more}><title>{escape(title)}</title>{"".join(marks)}</a>')


def _mark(tag: str, css: str, place: str, title: str = "") -> Markup:
    inside = f"><title>{escape(title)}</title></{tag}>" if title else "/>"
    return Markup(f'<{tag} class="{css}" {place}{inside}')


def short(value: float) -> str:
    """Write a number with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
