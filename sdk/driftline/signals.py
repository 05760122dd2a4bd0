"""Exceptions that a signal handler of the program raises while code of ours runs, such as a time limit."""

from __future__ import annotations


def is_from_signal(error: BaseException) -> bool:
    """Return True if a signal handler raised an error.

    Python calls a handler with the frame that it interrupts, which is the caller of the handler. No other function has
    the frame of its caller as an argument.
    """
    traceback = error.__traceback__
    while traceback is not None:
        frame, caller = traceback.tb_frame, traceback.tb_frame.f_back
        if caller is not None:
            for argument in frame.f_locals.values():
                given = argument if type(argument) is tuple else (argument,)
                if any(value is caller for value in given):
                    return True
        traceback = traceback.tb_next
    return False
