"""How this process ends: normally, by an error that nothing caught, or by exit with another code than 0.

Python tells this to nobody. The frame in which the main thread began tells whether it returned. The exit code
is that of ``sys.exit`` or ``exit``. Python 3.12 and later tell the code of any ``SystemExit`` that leaves a
frame; before, it is known of one that the script itself raises with a constant or a variable.
"""

from __future__ import annotations

import sys
import threading
import time
from types import CodeType, FrameType
from typing import Any, NoReturn

__all__ = ["PROCESS_EXIT", "UNKNOWN_EXIT", "ProcessExit", "is_success"]

UNKNOWN_EXIT = "the process ended by a raised SystemExit, whose code this version of Python does not tell"
"""The error of a process of which nothing more is known: it may have failed or not."""
_TOOLS = (3, 4)  # of those that sys.monitoring has, the ones without a purpose
_FILLING = ("CACHE", "PRECALL", "PUSH_NULL")  # instructions without a meaning of their own
_RETURNS = ("RETURN_VALUE", "RETURN_CONST")


class ProcessExit:
    """Notes how this process ends, once it watches."""

    def __init__(self) -> None:
        self._is_watching = False
        self._main: FrameType | None = None  # the outermost frame of the main thread
        self._code: object = None
        self._noted_at: float | None = None

    def watch(self) -> None:
        """Begin to watch; more calls change nothing."""
        if self._is_watching:
            return
        self._is_watching = True
        frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - documented
        while frame is not None and frame.f_back is not None:
            frame = frame.f_back
        self._main = frame
        self._watch_calls()
        if sys.version_info >= (3, 12):
            self._watch_frames()

    def error(self, last_time: float = 0.0) -> str | None:
        """What ended the process, asked at its end; None for a normal end.

        Args:
            last_time: when something was last set (s since 1970): an exit before it was caught.
        """
        error = getattr(sys, "last_value", None)
        if error is not None and not hasattr(sys, "ps1"):  # at a prompt the session continues after an error
            return f"{type(error).__name__}: {error}"
        has_returned = self._has_main_returned()
        if has_returned:
            return None
        is_last = self._noted_at is not None and (has_returned is False or self._noted_at >= last_time)
        if is_last:
            return _exit_error(self._code)
        return self._raised_error() if has_returned is False else None

    def _raised_error(self) -> str | None:
        """What :meth:`error` returns of an exit that nothing noted: the script's own code may tell."""
        import dis

        assert self._main is not None  # noqa: S101
        last = self._main.f_lasti
        before = [one for one in dis.get_instructions(self._main.f_code) if one.offset <= last]
        names = [one.opname for one in before if one.opname not in _FILLING]
        values = [one.argval for one in before if one.opname not in _FILLING]
        if names[-2:] == ["LOAD_NAME", "RAISE_VARARGS"] and values[-2] == "SystemExit":
            return None
        is_call = names[-2:-1] in (["CALL"], ["CALL_FUNCTION"]) and names[-1] == "RAISE_VARARGS"
        if is_call and values[-2] == 0 and values[-3] == "SystemExit":
            return None
        if is_call and values[-2] == 1 and values[-4] == "SystemExit":
            if names[-3] == "LOAD_CONST":
                return _exit_error(values[-3])
            if names[-3] == "LOAD_NAME" and values[-3] in self._main.f_globals:
                return _exit_error(self._main.f_globals[values[-3]])
        return UNKNOWN_EXIT

    def _has_main_returned(self) -> bool | None:
        """Whether the main thread's outermost frame returned; None where that says nothing."""
        processes = sys.modules.get("multiprocessing.process")
        is_child = processes is not None and processes.parent_process() is not None
        if self._main is None or is_child or hasattr(sys, "ps1"):
            return None
        import dis

        last = self._main.f_lasti
        return last >= 0 and dis.opname[self._main.f_code.co_code[last]] in _RETURNS

    def _note(self, code: object) -> None:
        if threading.current_thread() is threading.main_thread():
            self._code, self._noted_at = code, time.time()

    def _watch_calls(self) -> None:
        leave = sys.exit

        def noting_exit(status: Any = None, /) -> NoReturn:
            self._note(status)
            leave(status)

        sys.exit = noting_exit
        quitter: Any = getattr(sys.modules.get("_sitebuiltins"), "Quitter", None)
        if quitter is not None:
            quit_now = quitter.__call__

            def noting_quit(quitter: Any, code: Any = None) -> None:
                self._note(code)
                quit_now(quitter, code)

            quitter.__call__ = noting_quit

    def _watch_frames(self) -> None:
        """Note the exits that leave a frame; costs nothing until an exception does."""
        monitoring: Any = getattr(sys, "monitoring", None)
        tool = next((one for one in _TOOLS if monitoring.get_tool(one) is None), None)
        if tool is None:
            return

        def left(_code: CodeType, _offset: int, error: BaseException) -> None:
            if type(error) is SystemExit:
                self._note(error.code)

        monitoring.use_tool_id(tool, "legm")
        monitoring.register_callback(tool, monitoring.events.PY_UNWIND, left)
        monitoring.set_events(tool, monitoring.events.PY_UNWIND)


def is_success(code: object) -> bool:
    """Whether a process that exits with this code has succeeded; of 0.0, Python makes the code 1."""
    return code is None or (isinstance(code, int) and code == 0)


def _exit_error(code: object) -> str | None:
    return None if is_success(code) else f"SystemExit: {code}"


PROCESS_EXIT = ProcessExit()
