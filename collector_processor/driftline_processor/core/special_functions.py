"""The special functions of scipy, each loaded with its first call: they take as long as numpy; a start needs none."""

from __future__ import annotations

from typing import Any, Final


class SpecialFunction:
    """A function of ``scipy.special`` by its name, scalar or element by element.

    >>> float(SpecialFunction("ndtr")(0.0))
    0.5
    """

    __slots__ = ("_function", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._function: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return what scipy's function does."""
        if self._function is None:
            from scipy import special

            self._function = getattr(special, self.name)
        return self._function(*arguments, **options)


bdtrc: Final = SpecialFunction("bdtrc")
bdtrik: Final = SpecialFunction("bdtrik")
betainc: Final = SpecialFunction("betainc")
betaincinv: Final = SpecialFunction("betaincinv")
betaln: Final = SpecialFunction("betaln")
chdtrc: Final = SpecialFunction("chdtrc")
chdtri: Final = SpecialFunction("chdtri")
digamma: Final = SpecialFunction("digamma")
erf: Final = SpecialFunction("erf")
expit: Final = SpecialFunction("expit")
fdtrc: Final = SpecialFunction("fdtrc")
gammainc: Final = SpecialFunction("gammainc")
gammaincc: Final = SpecialFunction("gammaincc")
gammaincinv: Final = SpecialFunction("gammaincinv")
gammaln: Final = SpecialFunction("gammaln")
kolmogi: Final = SpecialFunction("kolmogi")
kolmogorov: Final = SpecialFunction("kolmogorov")
log_ndtr: Final = SpecialFunction("log_ndtr")
ndtr: Final = SpecialFunction("ndtr")
ndtri: Final = SpecialFunction("ndtri")
polygamma: Final = SpecialFunction("polygamma")
rel_entr: Final = SpecialFunction("rel_entr")
stdtr: Final = SpecialFunction("stdtr")
stdtrit: Final = SpecialFunction("stdtrit")
xlogy: Final = SpecialFunction("xlogy")
zeta: Final = SpecialFunction("zeta")
