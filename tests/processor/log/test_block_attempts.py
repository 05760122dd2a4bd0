"""A start after a kill makes progress, whatever the log holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from driftline_processor.log.block_attempts import FILE_NAME, MOST_ENDS, BlockAttempts

MOST = 16_000


_begun = list[object]()


def end_while_storing(folder: Path, position: int, following: int) -> None:
    """End as a killed process does: nothing runs after it began to store a block."""
    attempts = BlockAttempts(folder, position)
    storing = attempts.storing(position, following)
    storing.__enter__()
    _begun.append(storing)  # or it would end with its last reference
    attempts.close()


def test_each_end_makes_the_next_block_smaller_until_a_single_request_is_left_out(tmp_path: Path) -> None:
    most, used_up = [], []
    for _ in range(MOST_ENDS + 1):
        attempts = BlockAttempts(tmp_path, 100)
        most.append(attempts.most_bytes(100, MOST))
        used_up.append(attempts.are_used_up)
        end_while_storing(tmp_path, 100, 5_000)
    assert most == [MOST, MOST // 16, 1, 1, 1]
    assert used_up == [False, False, False, False, True]


def test_blocks_stay_small_up_to_the_end_of_the_one_that_failed(tmp_path: Path) -> None:
    end_while_storing(tmp_path, 100, 5_000)
    attempts = BlockAttempts(tmp_path, 100)
    with attempts.storing(100, 900):
        pass
    assert [attempts.most_bytes(position, MOST) for position in (900, 4_999, 5_000)] == [1_000, 1_000, MOST]
    attempts.close()
    assert BlockAttempts(tmp_path, 900).most_bytes(900, MOST) == 1_000  # also after another start
    assert BlockAttempts(tmp_path, 5_000).most_bytes(5_000, MOST) == MOST


def test_an_error_is_no_end_of_the_process(tmp_path: Path) -> None:
    for _ in range(MOST_ENDS + 1):
        attempts = BlockAttempts(tmp_path, 100)
        with suppress(OSError), attempts.storing(100, 900):
            raise OSError
        attempts.close()
    assert not BlockAttempts(tmp_path, 100).are_used_up


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 40, b"\xff" * 100])
def test_a_damaged_file_is_no_attempt(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    attempts = BlockAttempts(tmp_path, 0)
    assert (attempts.most_bytes(0, MOST), attempts.are_used_up) == (MOST, False)
