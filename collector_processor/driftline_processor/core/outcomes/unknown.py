"""Outcomes that cannot be used, as far as is known when they arrive."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .id_form import IdForm

STRAYS = 20
"""Outcomes without a prediction below which no reason is given: some arrive in every model."""


class UnknownOutcomes(Struct, frozen=True):
    """Outcomes of one model that cannot be used now, for one reason.

    Attributes:
        kind: "model" if no prediction of their model has come, although a model with a similar name has sent some, "id"
            if no stored prediction has their id, "time" if they are dated more than a day before the
            predictions with their id, "environment" if they name one in which the model predicts nothing, "actual" if
            their actual is not possible for the model.
        rows: Their number.
        checked: Number of outcomes of the request that were checked for this.
        form: Form of the unknown ids.
        stored: Form of the ids of the newest predictions.
        classes: The unknown classes, at most five.
        possible: Words for the actuals that the model can have.
        near: A question with the similar names of models.
    """

    kind: Literal["model", "id", "time", "environment", "actual"]
    rows: int
    checked: int
    form: IdForm = IdForm()
    stored: IdForm = IdForm()
    classes: tuple[str, ...] = ()
    possible: str = ""
    near: str = ""

    @property
    def has_stored_form(self) -> bool:
        """True if their ids are unknown although they have the form of the stored ids."""
        return self.kind == "id" and self.stored.kind != "none" and not self.form.difference(self.stored)
