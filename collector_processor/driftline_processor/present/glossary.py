"""The glossary of pages, messages and documentation: the source of docs/glossary.md."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markupsafe import Markup, escape
from msgspec import Struct

ADDRESS = "/glossary"
"""Address of the glossary page."""

_CODE = re.compile(r"`([^`]*)`")


class Word(Struct, frozen=True):
    """A term and its meaning.

    Attributes:
        term: The term.
        means: Its meaning: half a sentence in plain words with code between backticks.
        also: Other terms of the same entry.
        more: Link text of the documentation page, "" without a page.
        page: That page, below docs/.
    """

    term: str
    means: str
    also: tuple[str, ...] = ()
    more: str = ""
    page: str = ""

    @property
    def anchor(self) -> str:
        """The id of its element: `word-too-few-rows`."""
        return f"word-{self.term.replace(' ', '-')}"

    @property
    def plain(self) -> str:
        """Its meaning without markup."""
        return _CODE.sub(r"\1", self.means)

    @property
    def html(self) -> Markup:
        """Its meaning as HTML."""
        return Markup(_CODE.sub(r"<code>\1</code>", str(escape(self.means))))


WORDS = (
    Word("model", "a named function that predicts, with its versions; outcomes find their predictions by its name"),
    Word("task", "the kind of a model, binary, multiclass, regression or ranking, with its classes and threshold"),
    Word("prediction", "one row that a model answered; a batch of n rows is n predictions"),
    Word("batch", "several predictions of one call"),
    Word("record", "one row as it leaves the service: features, score, decision and time, in an OTLP log"),
    Word(
        "capture",
        "the level of what leaves per row: features, scores or none; in tests, everything recorded within a block",
    ),
    Word("selector", "a name, or a function, that finds the id, features, score or time in a call"),
    Word("feature", "one named value that the model saw"),
    Word(
        "text feature",
        "a feature that is a document, and a number that describes it: length, words, script",
        also=("descriptor",),
    ),
    Word("score", "the number the model gave: the probability of the positive class, one per class, or the value"),
    Word("threshold", "the smallest score for which the positive class is predicted"),
    Word("positive class", "the class whose probability a binary score is"),
    Word("quantile", "a level that a regression predicts, such as 0.9: the actual value is lower in 90 of 100 rows"),
    Word(
        "predicted", "the class or value that the service decided for; without its decision, the score at the threshold"
    ),
    Word("item", "one entry of a ranking"),
    Word("outcome", "a later message about a prediction: its actual value, when it was known, its weight"),
    Word("actual", "what really happened: a class, a number, or the relevant items of a ranking"),
    Word("label", "an actual value that somebody decided on, often later and for some rows only"),
    Word("weight", "1 / the probability with which a row was chosen to be labelled"),
    Word("value", "what a prediction was worth, in your unit"),
    Word("retraction", "an outcome that takes back all earlier outcomes of its prediction"),
    Word("environment", "the deployment, such as `production`; outcomes join predictions of the same one"),
    Word(
        "baseline", "a file with bins and counts of rows that the model was not trained on; never the rows themselves"
    ),
    Word(
        "verdict",
        "whether a model is healthy, degraded, at risk, unknown, no_data or lagging: one sentence, with what to do",
    ),
    Word("reference", "what a window is compared with: the baseline, its same hours, or the model's own last days"),
    Word(
        "provisional baseline",
        "a baseline learned from the model's first rows, where nobody gave one",
        more="how it is learned",
        page="explanation/learned-baselines.md",
    ),
    Word(
        "window",
        "a stretch of event time that is judged as a whole: `1h`, `1d`, `1mo`",
        more="when it closes",
        page="explanation/windows.md",
    ),
    Word("open", "a window that still takes rows: what is said of it may change"),
    Word("pane", "the sums of a short stretch of time; a window is a sum of panes"),
    Word("bin", "a range of numbers, or a category, whose rows are counted together; the baseline fixes the bins"),
    Word("slice", "the rows with one value of an attribute, such as `country=NL`"),
    Word("cohort", "the outcomes of a window that came at a similar age"),
    Word("season", "an hour of the day, a weekday, or an hour of the week, where these differ as a rule"),
    Word("evaluation", "everything that is known of one window: drift, performance, data quality, causes"),
    Word(
        "drift",
        "a distribution differs from the reference: surely, enough to matter, more than the reference's own windows do",
        more="states",
        page="explanation/drift.md",
    ),
    Word("method", "a way to compare two distributions, such as PSI; one decides, others are shown"),
    Word(
        "PSI",
        "population stability index: how far the shares of values moved; below 0.1 little, above 0.25 far",
        more="all methods",
        page="reference/drift-methods.md",
    ),
    Word("effect", "how large a drift is beyond what chance alone gives; small, moderate, large", also=("size",)),
    Word("realized performance", "metrics from predictions whose outcome is known"),
    Word("metric", "a number that says how well a model does, such as recall"),
    Word("loss", "how wrong one prediction is, by its outcome"),
    Word(
        "log loss",
        "how far the probabilities of a model are from what happened, by their logarithm; lower is better",
        more="all metrics",
        page="reference/metrics.md",
    ),
    Word("estimated performance", "metrics from scores alone, as long as outcomes are missing"),
    Word("call", "one request to predict, which returns or fails; the calls of a batch are its rows"),
    Word("latency", "how long a call that returned took"),
    Word("error rate", "the share of calls that failed"),
    Word("coverage", "the share of predictions whose outcome is known, of those whose call returned"),
    Word("completeness", "the share of predictions a service counted that have arrived"),
    Word("interval", "the range that holds the true value of a metric in 95 of 100 windows"),
    Word(
        "effective sample size",
        "how many independent rows a window's rows are worth, when rows of one day or customer resemble each other",
    ),
    Word("design effect", "rows divided by the effective sample size"),
    Word("p-value", "the probability of a difference as great by chance alone"),
    Word("confidence", "the share of intervals that hold the true value, such as 0.95"),
    Word("power", "how likely a test finds a change of a given size"),
    Word(
        "within normal variation",
        "far from the reference, and its own windows of this length are as far from the rest of it",
    ),
    Word(
        "inconclusive",
        "not decided, for a reason: too few rows in the window, too few days in the reference, or not comparable",
        also=("too few rows", "too few days", "not comparable"),
    ),
    Word(
        "watermark",
        "the event time that nearly all rows have reached",
        more="it closes windows",
        page="explanation/windows.md#how-far-has-event-time-come",
    ),
    Word("late", "a row or outcome that comes after its window has closed"),
    Word("receiver", "a way into the processor, and a way out of it", also=("exporter",)),
    Word("privacy rule", "what of a feature may leave the service: nothing, a hash, or a rounded number"),
    Word("restated", "a closed window that was judged again, because something late arrived; the older answer is kept"),
    Word("pending", "an outcome that waits for its prediction, and one that has found it", also=("joined",)),
    Word(
        "mature",
        also=("final",),
        means="a window whose outcomes have had their time to come",
        more="life of an outcome",
        page="explanation/maturity.md",
    ),
    Word("objective", "the value that a metric must reach: met, broken or cannot tell"),
    Word("concept drift", "the model has become wrong more often, from some time on"),
    Word("finding", "something wrong with the data itself, such as missing values"),
    Word("expectation", "a rule that the data must keep, such as a range"),
    Word(
        "incident",
        "what is wrong for long, or gravely enough to tell somebody: a verdict, lasting drift, a broken objective",
    ),
    Word("policy", "what is told of models, to whom, and how soon", more="policies", page="explanation/policies.md"),
    Word("alert", "a policy that fires for a model: it is told once, and once more when it is over"),
    Word("cause", "a feature whose drift, or whose fault, explains a window"),
    Word("fairness rule", "the attribute that defines groups of people, and the rates that must be alike between them"),
    Word(
        "champion",
        "the version in charge, and another that is compared with it; a shadow answers nobody, a canary some",
        also=("challenger",),
    ),
)
"""All terms; related ones are next to each other."""

_BY_TERM: Mapping[str, Word] = {term: word for word in WORDS for term in (word.term, *word.also)}


class Definitions:
    """Link the first use of each term on a page to its meaning, and record the used terms.

    >>> define = Definitions()
    >>> str(define("coverage"))[:71]
    '<a class="word" tabindex="-1" href="/glossary#word-coverage" title="the'
    >>> define("coverage"), [word.term for word in define.used]
    ('coverage', ['coverage'])
    """

    def __init__(self) -> None:
        self._used: set[Word] = set()

    def __call__(self, term: str, text: str = "") -> Markup | str:
        """Return a text that links to a term's meaning; on later uses, the text alone.

        Args:
            term: A term of the glossary.
            text: The visible text, by default the term.

        Raises:
            KeyError: The glossary has no such term.
        """
        word, label = _BY_TERM[term], text or term
        if word in self._used:
            return label
        self._used.add(word)
        link = Markup('<a class="word" tabindex="-1" href="{}#{}" title="{}">{}</a>')
        return link.format(ADDRESS, word.anchor, word.plain, label)

    def where_known(self, text: str) -> Markup | str:
        """Return :meth:`__call__` of a text that is a term, else the text."""
        return self(text) if text in _BY_TERM else text

    @property
    def used(self) -> list[Word]:
        """The used terms in the order of the glossary."""
        return [word for word in WORDS if word in self._used]
