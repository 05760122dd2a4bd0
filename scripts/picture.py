"""An SVG picture of lines, boxes and words, for the scripts that draw the pictures of the documentation."""

from __future__ import annotations

from html import escape
from math import hypot

INK, GREY, BLUE, ORANGE, GREEN, RED = "#263238", "#5c7480", "#2f6cb3", "#c46a10", "#2e7d4f", "#b3382f"
LIGHT, GROUND = "#c3cbd0", "#fafafa"


class Picture:
    """An SVG of 800 pixels width on a light ground."""

    def __init__(self, height: int, title: str) -> None:
        """Begin with the title."""
        self._height, self._parts = height, [f'<rect width="800" height="{height}" rx="12" fill="{GROUND}"/>']
        self.text(24, 34, title, size=18, bold=True)

    def text(self, x: float, y: float, text: str, *, size: int = 14, colour: str = INK, bold: bool = False,
             anchor: str = "start", halo: bool = False) -> None:  # fmt: skip
        """Write a line of text; ``halo`` keeps it readable on lines."""
        weight = ' font-weight="600"' if bold else ""
        weight += f' stroke="{GROUND}" stroke-width="4" paint-order="stroke"' if halo else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'  # noqa: E501
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> None:
        """Draw a filled rectangle."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" fill="{colour}" opacity="{opacity:g}"/>'  # noqa: E501
        )

    def line(self, x: float, y: float, to_x: float, to_y: float, colour: str = GREY, *, dashed: bool = False,
             width: float = 2.0) -> None:  # fmt: skip
        """Draw a line."""
        dashes = ' stroke-dasharray="6 4"' if dashed else ""
        self._parts.append(
            f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="{colour}" stroke-width="{width:g}"{dashes}/>'  # noqa: E501
        )

    def arrow(self, x: float, y: float, to_x: float, to_y: float, colour: str = INK, *, dashed: bool = False) -> None:
        """Draw a line with a head."""
        length = hypot(to_x - x, to_y - y)
        along_x, along_y = (to_x - x) / length, (to_y - y) / length
        base_x, base_y = to_x - 9 * along_x, to_y - 9 * along_y
        self.line(x, y, base_x, base_y, colour, dashed=dashed, width=1.6)
        points = (
            (to_x, to_y),
            (base_x - 4 * along_y, base_y + 4 * along_x),
            (base_x + 4 * along_y, base_y - 4 * along_x),
        )
        corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        self._parts.append(f'<polygon points="{corners}" fill="{colour}"/>')

    def dot(self, x: float, y: float, colour: str, radius: float = 4) -> None:
        """Draw a dot."""
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}"/>')

    def svg(self) -> str:
        """Return the document."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {self._height}" font-family="sans-serif">'
        return "\n".join([head, *self._parts, "</svg>\n"])

    def key(self, x: float, y: float, entries: dict[str, str]) -> None:
        """Draw the meaning of the colours in a line; ``entries``: name → colour."""
        for name, colour in entries.items():
            self.box(x, y - 12, 14, 14, colour)
            self.text(x + 20, y, name)
            x += 44 + 7.4 * len(name)

    def scale(self, left: float, right: float, y: float, top: float, ticks: dict[float, str]) -> None:
        """Draw a horizontal axis with faint lines; ``ticks``: fraction of its length → label."""
        for at, label in ticks.items():
            x = left + at * (right - left)
            self.line(x, top, x, y, GREY, width=0.5)
            self.text(x, y + 20, label, size=13, colour=GREY, anchor="middle")
        self.line(left, y, right, y)
