"""What stands behind the receivers in their tests: keeps what it is given, and answers as it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from driftline_processor.receipts import Receipt, Signal


class FakeIntake:
    """An :data:`Accept`. ``answer``: makes the receipt, or raises."""

    def __init__(self, answer: Callable[[], Receipt] = Receipt) -> None:
        self.answer = answer
        self.taken: list[tuple[Signal, bytes]] = []
        self.headers: list[dict[str, str]] = []

    def __call__(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        receipt = self.answer()
        self.taken.append((signal, body))
        self.headers.append(dict(headers))
        future.set_result(receipt)
        return future


class FailsFirst:
    """Raises an error the first time, and makes an empty receipt after that."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error

    def __call__(self) -> Receipt:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return Receipt()
