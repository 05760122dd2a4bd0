"""All kinds of facts, a class each, as ``facts.NAME``; the modules are those of ``present.sentences``.

A fact that is the result of an analysis itself is defined with it, such as
:class:`~driftline_processor.core.evaluation.Finding`.
"""

from collections.abc import Iterator

from driftline_processor.core.fact import FactStruct

from .advice import *
from .causes import *
from .certainty import *
from .evidence import *
from .expectations import *
from .objectives import *
from .outcomes import *
from .policies import *
from .references import *
from .retraining import *
from .versions import *


def _kinds(base: type[FactStruct]) -> Iterator[type[FactStruct]]:
    """Yield the classes without subclasses: the others only have fields in common."""
    for kind in base.__subclasses__():
        yield from _kinds(kind) if kind.__subclasses__() else (kind,)


KINDS = tuple(_kinds(FactStruct))
