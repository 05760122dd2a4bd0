"""The few marks that charts are drawn with. Colours and fonts are classes: one style sheet does dark and light.

Whatever comes from the wire passes ``escape`` here; the results are ``Markup`` and templates print them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

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
        css, _short(width), _short(height), role, label, ratio, described, inside
    )


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "") -> Markup:
    """Return a rectangle; ``title`` is what a pointer that rests on it is told."""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        css, _short(x), _short(y), _short(max(width, 0)), _short(max(height, 0)), _title(title)
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    """Return a straight line."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(css, *map(_short, (x1, y1, x2, y2)))


def path(points: Iterable[tuple[float, float]], css: str) -> Markup:
    """Return an open line through points."""
    return Markup('<path class="{}" d="M{}"/>').format(css, "L".join(f"{_short(x)} {_short(y)}" for x, y in points))


def dot(x: float, y: float, radius: float, css: str, title: str = "") -> Markup:
    """Return a circle."""
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}">{}</circle>').format(
        css, _short(x), _short(y), _short(radius), _title(title)
    )


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> Markup:
    """Return words at a point; ``anchor``: start, middle or end."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        css, _short(x), _short(y), anchor, words
    )


def link(address: str, marks: Iterable[Markup], title: str) -> Markup:
    """Return marks that lead to an address of ours; ``title`` is what a pointer that rests on any of them is told."""
    return Markup('<a href="{}">{}{}</a>').format(address, _title(title), Markup("").join(marks))


def _title(words: str) -> Markup:
    return Markup("<title>{}</title>").format(words) if words else Markup()


def _short(value: float) -> str:
    return escape(f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}")
