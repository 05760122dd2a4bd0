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
    Word(
        "model", "a function that predicts, with a name and versions; outcomes are joined to predictions by this name"
    ),
    Word("task", "the kind of a model (binary, multiclass, regression or ranking), with its classes and threshold"),
    Word("prediction", "one row with the result of a model; a batch of n rows is n predictions"),
    Word("batch", "several predictions of one call"),
    Word(
        "record",
        "the data of one row that the service sends as an OTLP log record: features, score, predicted class and time",
    ),
    Word(
        "capture",
        "which data of a row are sent: features, scores or none; in tests, a block that keeps all recorded data",
    ),
    Word("selector", "a name or a function that finds the id, the features, the score or the time in a call"),
    Word("feature", "one named input value of the model"),
    Word(
        "text feature",
        "a feature whose values are texts; its descriptors are numbers that describe a text, such as the length",
        also=("descriptor",),
    ),
    Word(
        "score",
        "the number that the model returns: the probability of the positive class, one probability per class, "
        "or the predicted value",
    ),
    Word("threshold", "the smallest score for which the positive class is predicted"),
    Word("positive class", "the class whose probability is the score of a binary model"),
    Word(
        "quantile",
        "a level of a quantile regression, such as 0.9: 90 % of the actual values are below the predicted value",
    ),
    Word(
        "predicted",
        "the class or value that the service decided for; if it sends none, the score and the threshold decide",
    ),
    Word("item", "one element of the list that a ranking model returns"),
    Word("outcome", "a later message about a prediction, with its actual value, the time of this value, and a weight"),
    Word("actual", "the true value: a class, a number, or the relevant items of a ranking"),
    Word("label", "an actual value that a person assigned, often later and only for some rows"),
    Word("weight", "1 divided by the probability with which a row was selected for labelling"),
    Word("value", "the business value of a prediction, in a unit of your choice"),
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
        "the state of a model (healthy, degraded, at risk, unknown, no_data or lagging), its cause and what to do",
    ),
    Word(
        "reference",
        "the data that a window is compared with: the baseline, the same hours of the baseline, or recent days of the "
        "model",
    ),
    Word(
        "provisional baseline",
        "a baseline that Driftline learns from the first rows of a model without a baseline",
        more="how it is learned",
        page="concepts/windows.md#learned-baseline",
    ),
    Word(
        "window",
        "a period, by the time of the predictions, that is evaluated as a whole: `1h`, `1d`, `1mo`",
        more="when it closes",
        page="concepts/windows.md",
    ),
    Word("open", "a window that still receives rows, so its results may change"),
    Word(
        "pane",
        "the sums over the rows of a short period; the panes of a window are added up",
    ),
    Word("bin", "a range of numbers or a category; rows are counted per bin, and the baseline defines the bins"),
    Word("slice", "the rows with one value of an attribute, such as `country=NL`"),
    Word("cohort", "the outcomes of a window that arrived after a similar delay"),
    Word(
        "season",
        "an hour of the day, a weekday, or an hour of the week, if the data differ regularly between them",
    ),
    Word("evaluation", "all results for one window: drift, performance, data quality, causes"),
    Word(
        "drift",
        "a difference between a distribution and the reference that is significant, relevant, and larger than the "
        "differences between windows of the reference",
        more="states",
        page="concepts/drift.md",
    ),
    Word(
        "method",
        "a way to compare two distributions, such as PSI; only one method decides whether there is drift",
    ),
    Word(
        "PSI",
        "population stability index: how much the fractions of values changed; below 0.1 is little, above 0.25 is much",
        more="all methods",
        page="reference/drift-methods.md",
    ),
    Word(
        "effect", "the size of a drift without the part that chance explains: small, moderate or large", also=("size",)
    ),
    Word("realized performance", "metrics that are computed from predictions with known outcomes"),
    Word("metric", "a number that measures how well a model predicts, such as recall"),
    Word("loss", "how wrong one prediction is, compared with its outcome"),
    Word(
        "log loss",
        "minus the mean logarithm of the probability that the model gave to the actual class; lower is better",
        more="all metrics",
        page="reference/metrics.md",
    ),
    Word("estimated performance", "metrics that are estimated from scores while outcomes are missing"),
    Word("call", "one request for a prediction, which succeeds or fails; in a batch, each row counts as a call"),
    Word("latency", "the duration of a successful call"),
    Word("error rate", "the fraction of calls that failed"),
    Word("coverage", "among the predictions of successful calls, the fraction with a known outcome"),
    Word("completeness", "among the predictions that a service counted, the fraction whose rows arrived"),
    Word("interval", "confidence interval: in 95 % of windows, it contains the true value of the metric"),
    Word(
        "effective sample size",
        "the number of independent rows that contain as much information as the rows, which may be "
        "clustered by day or customer",
    ),
    Word("design effect", "the number of rows divided by the effective sample size"),
    Word("p-value", "the probability that chance alone causes a difference at least this large"),
    Word("confidence", "the fraction of intervals that contain the true value, such as 0.95"),
    Word("power", "the probability that a test detects a change of a given size"),
    Word(
        "within normal variation",
        "a large difference from the reference that is not larger than differences between windows of the reference",
    ),
    Word(
        "inconclusive",
        "no decision is possible: too few rows in the window, too few days in the reference, or not comparable",
        also=("too few rows", "too few days", "not comparable"),
    ),
    Word(
        "watermark",
        "the event time up to which nearly all rows have arrived",
        more="it closes windows",
        page="concepts/windows.md#watermark",
    ),
    Word("late", "a row or outcome that arrives after its window has closed"),
    Word("receiver", "parts of the processor: a receiver accepts data, an exporter sends data", also=("exporter",)),
    Word(
        "privacy rule",
        "defines what is sent instead of a feature value: nothing, a hash, or a rounded number",
    ),
    Word(
        "revised",
        "a closed window that was evaluated again because late data arrived; the earlier result is also stored",
    ),
    Word(
        "pending",
        "a pending outcome waits for its prediction; the prediction of a joined outcome was found",
        also=("joined",),
    ),
    Word(
        "mature",
        also=("final",),
        means="a window whose outcome delay has passed, so its performance counts; later outcomes still revise it",
        more="life of an outcome",
        page="concepts/delayed-labels.md#maturity",
    ),
    Word("objective", "a limit that a metric must satisfy; its state is met, broken or inconclusive"),
    Word("concept drift", "the error rate of the model has risen and has stayed higher"),
    Word("finding", "a fault of the data, such as missing values"),
    Word("expectation", "a rule for the data, such as a range"),
    Word(
        "incident",
        "a lasting or severe problem, such as a degraded model, lasting drift or a broken objective",
    ),
    Word(
        "policy",
        "a rule for notifications: their condition, models, channels and times",
        more="policies",
        page="concepts/alerting.md#alerts",
    ),
    Word(
        "alert",
        "a policy that fires for a model; one notification is sent when the alert opens, and one when it is resolved",
    ),
    Word("cause", "a feature whose drift or fault explains the state of a window"),
    Word(
        "fairness rule",
        "the attribute that defines groups of people, and the rates that must be similar between these groups",
    ),
    Word(
        "champion",
        "the version in charge, and a version that is compared with it: a shadow answers no requests, a canary answers "
        "some",
        also=("challenger",),
    ),
)
"""All terms; related ones are next to each other."""

_BY_TERM: Mapping[str, Word] = {term: word for word in WORDS for term in (word.term, *word.also)}


class Definitions:
    """Link the first use of each term on a page to its meaning, and record the used terms.

    >>> define = Definitions()
    >>> str(define("coverage"))[:71]
    '<a class="word" tabindex="-1" href="/glossary#word-coverage" title="amo'
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
