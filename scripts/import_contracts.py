"""A contract of import-linter that import-linter lacks: the external packages that a package may import."""

from __future__ import annotations

import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils
from importlinter.application.contract_utils import AlertLevel
from importlinter.domain.imports import ImportExpression


class AllowedExternals(Contract):
    """A package imports the standard library and the external packages in a list, and nothing else.

    ``package``: an internal package. ``allowed``: top-level names. ``ignore_imports``: exceptions.
    """

    type_name = "allowed_externals"

    package = fields.StringField()
    allowed = fields.SetField(subfield=fields.StringField())
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the signature of a contract
        """Find each import of an external package that is not in the list."""
        ignored = contract_utils.remove_ignored_imports_and_report(
            graph=graph,
            ignore_imports=cast(list[ImportExpression] | None, self.ignore_imports),
            unmatched_alerting=AlertLevel.ERROR,
        )
        package = cast(str, self.package)
        allowed = {*cast(set[str], self.allowed), *sys.stdlib_module_names}
        internal = {name for name in graph.modules if not graph.is_module_squashed(name)}
        inside = sorted({package, *graph.find_descendants(package)})
        found = [
            (module, imported)
            for module in inside
            for imported in sorted(graph.find_modules_directly_imported_by(module) - internal)
            if imported.partition(".")[0] not in allowed
        ]
        return ContractCheck(
            kept=not found,
            warnings=list(ignored.warnings),
            ignored_import_count=ignored.ignored_import_count,
            metadata={"found": found},
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each forbidden import."""
        for module, imported in check.metadata["found"]:
            output.print_error(f"{module} imports {imported}, which is no dependency of {self.package}")
