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
    Word("model", "a named function that predicts, with its versions; outcomes are joined to predictions by this name"),
    Word("task", "the kind of a model: binary, multiclass, regression or ranking, with its classes and threshold"),
    Word("prediction", "one row with the answer of a model; a batch of n rows is n predictions"),
    Word("batch", "several predictions of one call"),
    Word("record", "the data of one row that the service sends: features, score, decision and time, in an OTLP log"),
    Word(
        "capture",
        "which data of a row are sent: features, scores or none; in tests, everything that is recorded within a block",
    ),
    Word("selector", "a name or a function that finds the id, the features, the score or the time in a call"),
    Word("feature", "one named input value of the model"),
    Word(
        "text feature",
        "a feature that is a text, and a number that describes it: its length, words or script",
        also=("descriptor",),
    ),
    Word(
        "score",
        "the number that the model returns: the probability of the positive class, one probability per class, "
        "or the predicted value",
    ),
    Word("threshold", "the smallest score for which the positive class is predicted"),
    Word("positive class", "the class whose probability is the score of a binary model"),
    Word("quantile", "a level that a regression predicts, such as 0.9: the actual value is lower in 90 % of the rows"),
    Word(
        "predicted",
        "the class or value that the service decided for; if the service sends no decision, the score at the threshold",
    ),
    Word("item", "one entry of a ranking"),
    Word("outcome", "a later message about a prediction, with its actual value, the time of this value, and a weight"),
    Word("actual", "the true value: a class, a number, or the relevant items of a ranking"),
    Word("label", "an actual value that a person decided on, often later and for only some rows"),
    Word("weight", "1 / the probability with which a row was chosen to be labelled"),
    Word("value", "the value of a prediction for the business, in a unit of your choice"),
    Word("retraction", "an outcome that cancels all earlier outcomes of its prediction"),
    Word(
        "environment",
        "the deployment, such as `production`; outcomes are joined to predictions of the same environment",
    ),
    Word(
        "baseline",
        "a file with bins and row counts from rows that the model was not trained on; it never contains the rows",
    ),
    Word(
        "verdict",
        "one sentence on whether a model is healthy, degraded, at risk, unknown, no_data or lagging, and what to do",
    ),
    Word(
        "reference",
        "the data that a window is compared with: the baseline, the same hours of the baseline, or the model's own "
        "last days",
    ),
    Word(
        "provisional baseline",
        "a baseline that is learned from the first rows of a model that has no other baseline",
        more="how it is learned",
        page="concepts/windows.md#learned-baseline",
    ),
    Word(
        "window",
        "a period of event time that is evaluated as a whole: `1h`, `1d`, `1mo`",
        more="when it closes",
        page="concepts/windows.md",
    ),
    Word("open", "a window that still receives rows, so its results may change"),
    Word("pane", "the sums of a short period of time; the sums of a window are the sums of its panes"),
    Word("bin", "a range of numbers, or a category, whose rows are counted together; the baseline defines the bins"),
    Word("slice", "the rows with one value of an attribute, such as `country=NL`"),
    Word("cohort", "the outcomes of a window that arrived after a similar delay"),
    Word("season", "an hour of the day, a weekday, or an hour of the week, if these differ regularly"),
    Word("evaluation", "all results for one window: drift, performance, data quality, causes"),
    Word(
        "drift",
        "a distribution differs from the reference: significantly, by a relevant amount, and more than windows of the "
        "reference differ from each other",
        more="states",
        page="concepts/drift.md",
    ),
    Word("method", "a way to compare two distributions, such as PSI; one method decides, others are only shown"),
    Word(
        "PSI",
        "population stability index: how much the fractions of values changed; below 0.1 little, above 0.25 much",
        more="all methods",
        page="reference/drift-methods.md",
    ),
    Word("effect", "the size of a drift without the part that chance explains: small, moderate, large", also=("size",)),
    Word("realized performance", "metrics from predictions with known outcomes"),
    Word("metric", "a number that measures how well a model predicts, such as recall"),
    Word("loss", "how wrong one prediction is, measured with its outcome"),
    Word(
        "log loss",
        "minus the mean logarithm of the probability that the model gave to the actual class; lower is better",
        more="all metrics",
        page="reference/metrics.md",
    ),
    Word("estimated performance", "metrics that are estimated from scores while outcomes are missing"),
    Word("call", "one request to predict, which succeeds or fails; the calls of a batch are its rows"),
    Word("latency", "the duration of a successful call"),
    Word("error rate", "the fraction of calls that failed"),
    Word("coverage", "the fraction of predictions with a known outcome, among those whose call succeeded"),
    Word("completeness", "among the predictions that a service counted, the fraction whose rows arrived"),
    Word("interval", "confidence interval: in 95 % of windows, it contains the true value of the metric"),
    Word(
        "effective sample size",
        "the number of independent rows that carry as much information as the rows of a window, which may be clustered "
        "by day or customer",
    ),
    Word("design effect", "the number of rows divided by the effective sample size"),
    Word("p-value", "the probability of a difference at least this large by chance alone"),
    Word("confidence", "the fraction of intervals that contain the true value, such as 0.95"),
    Word("power", "the probability that a test detects a change of a given size"),
    Word(
        "within normal variation",
        "far from the reference, but windows of the reference of the same length differ as much from the rest of it",
    ),
    Word(
        "inconclusive",
        "not decided, for a reason: too few rows in the window, too few days in the reference, or not comparable",
        also=("too few rows", "too few days", "not comparable"),
    ),
    Word(
        "watermark",
        "the event time up to which nearly all rows have arrived",
        more="it closes windows",
        page="concepts/windows.md#watermark",
    ),
    Word("late", "a row or outcome that arrives after its window has closed"),
    Word("receiver", "a part of the processor that accepts data, or that sends data", also=("exporter",)),
    Word("privacy rule", "what a service may send of a feature: nothing, a hash, or a rounded number"),
    Word(
        "revised",
        "a closed window that was evaluated again because late data arrived; the earlier result is stored, too",
    ),
    Word("pending", "an outcome that waits for its prediction, and one whose prediction was found", also=("joined",)),
    Word(
        "mature",
        also=("final",),
        means="a window whose outcome delay has passed, so its performance counts; late outcomes still revise it",
        more="life of an outcome",
        page="concepts/delayed-labels.md#maturity",
    ),
    Word("objective", "the value that a metric must reach; its state is met, broken or inconclusive"),
    Word("concept drift", "the error rate of the model has risen, and has not fallen back"),
    Word("finding", "a fault of the data, such as missing values"),
    Word("expectation", "a rule for the data, such as a range"),
    Word("incident", "a lasting or severe problem that needs attention: a verdict, lasting drift, a broken objective"),
    Word(
        "policy",
        "a rule for notifications: on which condition, about which models, to which channels, and when",
        more="policies",
        page="concepts/alerting.md#alerts",
    ),
    Word(
        "alert", "a policy that fires for a model; one notification is sent when it opens, and one when it is resolved"
    ),
    Word("cause", "a feature whose drift or fault explains a window"),
    Word(
        "fairness rule",
        "the attribute that defines groups of people, and the rates that must be similar between these groups",
    ),
    Word(
        "champion",
        "the version in charge, and a version that is compared with it; a shadow answers no requests, a canary some",
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
