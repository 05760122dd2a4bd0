"""The application of `driftline top`: all models, and one of them, with live updates.

It requests data every two seconds in the background and keeps cursor, scroll position, filter and sort order. A
lost connection is shown and retried. Received names are drawn as text, never as markup.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from rich.table import Table
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.coordinate import Coordinate
from textual.events import Resize
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Input, Static

from driftline_processor.present.names import handle
from driftline_processor.present.numbers import count, many
from driftline_processor.present.sections.section import ModelSections
from driftline_processor.present.sentences.verdict import verdict_word
from driftline_processor.present.times import ago
from driftline_processor.present.wording import short

from .api_tables import (
    LEFT,
    SORTS,
    STATES,
    TIMEOUT,
    ModelRow,
    Server,
    cells_of,
    columns_for,
    filter_models,
    first_page,
    fold_models,
    join_pages,
    newest_window,
    next_page,
    no_model,
    read_models,
    sort_models,
    verdict_text,
)
from .console import Text
from .evaluation import VERDICT_STYLES
from .model_view import WINDOWS, decode_sections, model_view

GAP = 2
"""Characters between two columns."""

SCROLL_BAR = 2
"""Width of the scroll bar in characters."""

SPARE = ("pred → act", "PSI", "traffic", "window", "last", "known")
"""Columns that a narrow table drops, the least important first."""

LEAST_NAME = 10
"""Minimum width of a model's name in characters."""

KEYS = {
    "↑ ↓": "move; also Page Up, Page Down, Home and End",
    "Enter": "open the model; Escape goes back",
    "/": "filter models by words in the name, version, team or state",
    "1 to 6": "show only one state; 0 shows all states, Escape all models",
    "s": "sort by need, name, traffic or performance",
    "w, v": "in a model: show the next window length, the next version",
    "q": "quit",
}
"""Key → its action."""

COLUMNS = {
    "model": "all versions and environments; the worst state counts",
    "need": "degraded, no data, lagging, at risk, unknown, healthy",
    "performance": "in this order, models with one metric are together, worst first",
    "pred → act": "the predicted rate and the actual rate",
    "known": "the fraction of predictions whose outcome is known",
    "red": "a log loss above that of a constant, large drift, or lost rows",
}
"""Column → its meaning."""


class TopApplication(App[None]):
    """All models of a processor, and one of them."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "driftline top"
    CSS = """
    Screen { background: $background; }
    .line { height: auto; max-height: 3; padding: 0 1; }
    #said { height: auto; max-height: 7; padding: 0 1; border-top: solid $foreground 30%; }
    #models { height: 1fr; background: $background; }
    #models > .datatable--header { background: $background; text-style: bold; }
    #filter { display: none; height: 1; border: none; padding: 0 1; }
    #model { height: 1fr; padding: 0 1; scrollbar-gutter: stable; }
    HelpScreen { align: center middle; }
    #help { width: auto; max-width: 100%; height: auto; max-height: 100%; overflow-y: auto; padding: 1 2; }
    #help { border: round $foreground 50%; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, server: Server, document: Mapping[str, Any]) -> None:
        """Create the application; ``document``: the JSON of the first ``/api/v1/models``."""
        super().__init__(ansi_color=False)
        self.url, self.document, self.rows = server.address, document, fold_models(document)
        self.failures = 0
        """Time of the lost connection, unix nanoseconds; 0 while connected."""
        self.client = server.open_async(TIMEOUT)

    def get_default_screen(self) -> Screen[None]:
        """Return the screen of all models."""
        return ModelsScreen()

    def on_mount(self) -> None:
        """Start to poll every two seconds."""
        # 2.0: seconds between two requests
        self.set_interval(2.0, self.look)

    async def on_unmount(self) -> None:
        """Close the connection."""
        await self.client.aclose()

    @work(exclusive=True, group="models")
    async def look(self) -> None:
        """Fetch the models; the response is parsed in another thread."""
        try:
            pages, address = [], first_page()
            while address:
                answer = await self.client.get(address)
                pages.append(await asyncio.to_thread(read_models, answer))
                address = next_page(pages[-1], address)
            self.document, self.rows = await asyncio.to_thread(_fold, pages)
            self.failures = 0
        except (httpx.HTTPError, ValueError):
            self.failures = self.failures or time.time_ns()
        for screen in self.screen_stack:
            if isinstance(screen, ModelsScreen | ModelScreen):
                screen.show()

    async def fetch_windows(self, part: Mapping[str, Any], window: str) -> ModelSections:
        """Return the sections of the newest windows of a version.

        Raises ``httpx.HTTPError`` without an answer, ``ValueError`` if it is another server's.
        """
        parameters = {key: handle(part[key]) for key in ("version", "environment")}
        path = f"/api/v1/models/{quote(handle(part['model']), safe='')}/sections"
        answer = await self.client.get(path, params={**parameters, "window": window, "limit": WINDOWS})
        return await asyncio.to_thread(decode_sections, answer.raise_for_status().content)

    def title_line(self, *more: str) -> Text:
        """Return the processor's address, and whether it is connected."""
        line = Text.assemble(("driftline top", "bold"), f"  {short(self.url, 60)}  ")
        line.append("  ".join(more), "dim")
        if self.failures:
            line.append(f"  connection lost {ago(self.failures, time.time_ns())}; reconnecting", "bold red")
        return line

    def action_help(self) -> None:
        """Show the keys, or hide them."""
        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen())


def _fold(pages: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[ModelRow]]:
    try:
        document = join_pages(pages)
        return document, fold_models(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the response is not a list of models") from error


def _has_parts(screen: Screen[None], *parts: str) -> bool:
    """Return whether a screen can be drawn: a response may arrive before its layout or after its removal."""
    return bool(screen.size.width) and all(screen.query(part) for part in parts)


class ModelsTable(DataTable[Text]):
    """The rows of all models; Home and End move to the first and the last row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open"),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
    ]

    def action_first(self) -> None:
        """Go to the first row."""
        self.move_cursor(row=0)

    def action_last(self) -> None:
        """Go to the last row."""
        self.move_cursor(row=self.row_count - 1)


class ModelsScreen(Screen[None]):
    """All models: counts by state, a row each, and the verdict of the selected model."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("0", "state(-1)", "All", key_display="0-6"),
        *(Binding(str(place + 1), f"state({place})", show=False) for place in range(len(STATES))),
        Binding("escape", "clear", show=False),
    ]

    def __init__(self) -> None:
        """Create the screen with all models, the worst first."""
        super().__init__()
        self._sorted_by, self._state, self._words = "need", "", ""
        self._rows: list[ModelRow] = []
        self._widths: dict[str, int] = {}

    def compose(self) -> ComposeResult:
        """Create lines, table and filter."""
        yield Static(classes="line", id="title")
        yield Static(classes="line", id="states")
        yield ModelsTable(id="models", cursor_type="row", cell_padding=GAP // 2)
        yield Static(id="said")
        yield Input(placeholder="words in a name or a state", id="filter", compact=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Draw, and focus the table."""
        self.query_one(ModelsTable).focus()
        self.show()

    def on_resize(self, _: Resize) -> None:
        """Select the columns again."""
        self.show()

    @property
    def _application(self) -> TopApplication:
        assert isinstance(self.app, TopApplication)
        return self.app

    def show(self) -> None:
        """Draw the current data; cursor and scroll position stay at their model."""
        if not _has_parts(self, "#title", "#states", "#models", "#said"):
            return
        rows = self._application.rows
        self._rows = sort_models(filter_models(rows, self._words, self._state), self._sorted_by)
        self._show_lines(rows)
        self._show_table()
        self._show_verdict()

    def _show_lines(self, rows: Sequence[ModelRow]) -> None:
        filtered = f'filter "{self._words}"' if self._words else ""
        facts = [many(len(rows), "model"), f"by {self._sorted_by}", filtered]
        self.query_one("#title", Static).update(self._application.title_line(*filter(None, facts)))
        counts, labels = Counter(row.state for row in rows), []
        for place, state in enumerate(("", *STATES)):
            number = len(rows) if not state else counts[state]
            style = VERDICT_STYLES.get(state, "") if number else "dim"
            label = f"{place} {verdict_word(state) or 'all'} {count(number)}"
            if number or state == self._state or self.size.width >= 100:
                labels.append(Text(label, f"{style} reverse" if state == self._state else style))
        self.query_one("#states", Static).update(Text("  ").join(labels))

    def _show_table(self) -> None:
        table, now = self.query_one(ModelsTable), time.time_ns()
        width = self.size.width
        by_column: dict[str, list[Text]] = {title: [Text(title)] for title in columns_for(width)}
        for row in self._rows:
            for title, cell in cells_of(row, width, now).items():
                by_column[title].append(cell)
        widths = _fit({title: max(cell.cell_len for cell in column) for title, column in by_column.items()}, width)
        for title, wide in widths.items():
            for cell in by_column[title]:
                cell.justify = "left" if title in LEFT else "right"
                cell.truncate(wide, overflow="ellipsis")
        headings, *cells = zip(*(by_column[title] for title in widths), strict=True)
        keys = [row.name for row in self._rows]
        with self.app.batch_update():
            if widths == self._widths and keys == [key.value for key in table.rows]:
                for index, line in enumerate(cells):
                    for place, cell in enumerate(line):
                        if table.get_cell_at(Coordinate(index, place)) != cell:
                            table.update_cell_at(Coordinate(index, place), cell)
                return
            chosen, scroll = self._chosen_name(), table.scroll_y
            table.clear(columns=True)
            for heading, wide in zip(headings, widths.values(), strict=True):
                table.add_column(heading, width=wide)
            for key, line in zip(keys, cells, strict=True):
                table.add_row(*line, key=key)
            self._widths = widths
            if chosen in keys:
                table.move_cursor(row=keys.index(chosen), scroll=False)
                table.scroll_to(y=scroll, animate=False, immediate=True)

    def _chosen_name(self) -> str | None:
        table = self.query_one(ModelsTable)
        keys = [key.value for key in table.rows]
        return keys[table.cursor_row] if 0 <= table.cursor_row < len(keys) else None

    def chosen(self) -> ModelRow | None:
        """Return the selected model."""
        name = self._chosen_name()
        return next((row for row in self._rows if row.name == name), None)

    def _show_verdict(self) -> None:
        row, document = self.chosen(), self._application.document
        if row is None:
            hints = [short(hint, 300) for hint in document.get("hints", ())]
            nothing = no_model(self._application.url) if not document["models"] else "No model matches; press Escape."
            self.query_one("#said", Static).update(Text("\n".join([nothing, *hints])))
            return
        text = Text.assemble((short(row.label, 60), "bold"), "  ")
        if row.verdict is None:
            hint = next(iter(row.version["hints"]), "there is no verdict before the first window")
            text.append(short(hint, 300), "dim")
        else:
            text.append_text(verdict_text(row)).append(f"\n{short(row.verdict['action'], 300)}")
        self.query_one("#said", Static).update(text)

    @on(DataTable.RowHighlighted)
    def _highlight(self) -> None:
        self._show_verdict()

    @on(DataTable.RowSelected)
    def _open(self) -> None:
        """Open the selected model."""
        if (row := self.chosen()) is not None:
            self.app.push_screen(ModelScreen(row))

    def action_filter(self) -> None:
        """Open the filter."""
        words = self.query_one(Input)
        words.styles.display = "block"
        words.focus()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self._words = event.value
        self.show()

    @on(Input.Submitted)
    def _keep(self) -> None:
        self.query_one(Input).styles.display = "none"
        self.query_one(ModelsTable).focus()

    def action_clear(self) -> None:
        """Clear the filters."""
        self.query_one(Input).value, self._words, self._state = "", "", ""
        self._keep()
        self.show()

    def action_state(self, place: int) -> None:
        """Show one state only; -1 = all."""
        self._state = "" if place < 0 else STATES[place]
        self.show()

    def action_sort(self) -> None:
        """Sort by the next of the four orders."""
        names = list(SORTS)
        self._sorted_by = names[(names.index(self._sorted_by) + 1) % len(names)]
        self.show()


def _fit(widths: dict[str, int], width: int) -> dict[str, int]:
    """Return the columns that fit with their widths: the least important are dropped, then names are shortened."""
    widths, left = dict(widths), width - SCROLL_BAR
    for spare in SPARE:
        if sum(widths.values()) + GAP * len(widths) > left:
            widths.pop(spare, None)
    over = sum(widths.values()) + GAP * len(widths) - left
    return widths | {"model": max(min(widths["model"], LEAST_NAME), widths["model"] - max(over, 0))}


class ModelScreen(Screen[None]):
    """One model: verdict, causes, features, performance, windows, versions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back", key_display="esc"),
        Binding("w", "window", "Window"),
        Binding("v", "version", "Version"),
    ]

    def __init__(self, row: ModelRow) -> None:
        """Create the screen with the main version of the model and its longest windows."""
        super().__init__()
        self._row, self._part = row, row.version
        self._window = newest_window(row.version)[0]
        self._answer: ModelSections | None = None
        self._of: object = None
        """Key of the fetched windows: they are fetched again when it changes."""
        self._is_missing = False

    def compose(self) -> ComposeResult:
        """Create a scrollable page."""
        yield Static(classes="line", id="title")
        with VerticalScroll(id="model"):
            yield Static(id="page")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Draw the known data, and fetch the windows."""
        self.query_one("#model").focus()
        self.show()

    @property
    def _application(self) -> TopApplication:
        assert isinstance(self.app, TopApplication)
        return self.app

    def show(self) -> None:
        """Draw the newest data; fetch the windows again if they changed."""
        row = next((row for row in self._application.rows if row.name == self._row.name), None)
        self._is_missing = row is None
        if row is not None:
            own_part = (self._part["version"], self._part["environment"])
            self._row = row
            self._part = next(
                (part for part in row.parts if (part["version"], part["environment"]) == own_part), row.version
            )
        self._draw()
        window_and_part = (self._window, self._part)
        if self._window and not self._is_missing and not self._application.failures and window_and_part != self._of:
            self._fetch(window_and_part)

    @work(exclusive=True, group="windows")
    async def _fetch(self, of: tuple[str, Mapping[str, Any]]) -> None:
        window, part = of
        try:
            self._answer = await self._application.fetch_windows(part, window)
            self._of = of
        except (httpx.HTTPError, ValueError):
            return  # the next poll reports the lost connection and retries
        self._draw()

    @property
    def is_complete(self) -> bool:
        """Whether the windows of the model have been fetched."""
        return self._answer is not None

    def _draw(self) -> None:
        if not _has_parts(self, "#title", "#page"):
            return
        facts = [f"windows of {short(self._window, 20)}" if self._window else "no windows yet"]
        facts += ["this model no longer exists"] if self._is_missing else []
        self.query_one("#title", Static).update(self._application.title_line(*facts))
        page = model_view(self._row, self._part, self._answer if self._window else _NONE, time.time_ns())
        self.query_one("#page", Static).update(page)

    def action_window(self) -> None:
        """Show the next length of windows."""
        names = list(self._part["windows"])
        if names:
            self._window = names[(names.index(self._window) + 1) % len(names)] if self._window in names else names[0]
            self._renew()

    def action_version(self) -> None:
        """Show the next version or environment."""
        parts = [(part["version"], part["environment"]) for part in self._row.parts]
        index = parts.index((self._part["version"], self._part["environment"]))
        self._part = self._row.parts[(index + 1) % len(parts)]
        if self._window not in self._part["windows"]:
            self._window = newest_window(self._part)[0]
        self._renew()

    def _renew(self) -> None:
        self._answer = self._of = None
        self.show()


_NONE = ModelSections("", "", "", "", "", ())


class HelpScreen(ModalScreen[None]):
    """The keys and the columns."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter", "app.pop_screen", "Back", key_display="esc")]

    def compose(self) -> ComposeResult:
        """Create the text."""
        table = Table.grid(padding=(0, 2))
        for key, description in (*KEYS.items(), ("", ""), *COLUMNS.items()):
            table.add_row(Text(key, "bold"), Text(description))
        yield Static(table, id="help")
