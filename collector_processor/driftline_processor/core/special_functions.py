"""The special functions of scipy, loaded at the first call, since their import takes as long as numpy's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final


class SpecialFunction:
    """A function of ``scipy.special`` by its name, for scalars and arrays.

    ``compiled``: its name among the compiled functions, if that is another.

    >>> float(SpecialFunction("ndtr")(0.0))
    0.5
    """

    __slots__ = ("_function", "compiled", "name")

    def __init__(self, name: str, compiled: str = "") -> None:
        self.name, self.compiled = name, compiled or name
        self._function: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return the result of scipy's function."""
        if self._function is None:
            self._function = getattr(_compiled(), self.compiled, None) or getattr(import_module(_PACKAGE), self.name)
        return self._function(*arguments, **options)


_PACKAGE, _COMPILED = "scipy.special", "scipy.special._ufuncs"


@cache
def _compiled() -> ModuleType:
    """Return the module of the compiled functions, or the package if there is no such module."""
    if _PACKAGE not in sys.modules:
        finder = _CompiledOnly()
        finder.active.set(True)
        sys.meta_path.insert(0, finder)
        try:
            with suppress(_CompiledLoadedError):
                import_module(_PACKAGE)
        finally:
            sys.meta_path.remove(finder)
    return sys.modules.get(_COMPILED) or import_module(_PACKAGE)


class _CompiledLoadedError(ImportError):
    """Raised to end the import of the package after its compiled functions; the next import loads the package."""


class _CompiledOnly(MetaPathFinder, Loader):
    """Imports the compiled functions in place of the package, for the thread that made it ``active``.

    It does so as an import of the package that fails, so that other threads that import the package wait for its end.
    """

    def __init__(self) -> None:
        self.active: ContextVar[bool] = ContextVar("active", default=False)  # each thread has its own value

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _PACKAGE or not self.active.get():
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        del module
        with suppress(ImportError):  # a scipy without that module
            import_module(_COMPILED)
        raise _CompiledLoadedError


bdtrc: Final = SpecialFunction("bdtrc")
bdtrik: Final = SpecialFunction("bdtrik")
betainc: Final = SpecialFunction("betainc")
betaincinv: Final = SpecialFunction("betaincinv")
betaln: Final = SpecialFunction("betaln")
chdtrc: Final = SpecialFunction("chdtrc")
chdtri: Final = SpecialFunction("chdtri")
digamma: Final = SpecialFunction("digamma", "psi")
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
rel_entr: Final = SpecialFunction("rel_entr")
stdtr: Final = SpecialFunction("stdtr")
stdtrit: Final = SpecialFunction("stdtrit")
xlogy: Final = SpecialFunction("xlogy")
zeta: Final = SpecialFunction("zeta", "_zeta")
