"""The logger that objects of the original legm had: :class:`LoggingMixin`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from legm.errors import ParameterError, closest

__all__ = ["LOG_FILE", "LoggingMixin", "logging_level"]

LOG_FILE = "log.txt"
"""In a configuration's folder, what its managers logged."""
_FORMAT = "%(levelname)s-%(name)s(%(asctime)s)   %(message)s"


def logging_level(level: int | str | None) -> int:
    """A level of Python's logging from its number or its name; None is INFO.

    Raises:
        ParameterError: there is no such level.
    """
    if level is None:
        return logging.INFO
    if isinstance(level, int):
        return level
    known = {name: number for number, name in logging._levelToName.items()}  # noqa: SLF001 - names since 3.11
    text = str(level).strip()
    if text.isdecimal():
        return int(text)
    if text.upper() not in known:
        raise ParameterError(f"there is no logging level {level!r}; {closest(text.upper(), known)}")
    return known[text.upper()]


class _AppendingLoggingHandler(logging.Handler):
    """Appends each message to a file that is only open meanwhile."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(self.format(record) + "\n")
        except OSError:
            self.handleError(record)


class LoggingMixin:
    """Gives a class ``log(message, level)``; further arguments go to the next class.

    Args:
        logger: used as it is, instead of a new one.
        logging_file: where messages are written too; None for the console alone.
        logging_level: the least level that is logged, as a number or a name; None for INFO.
        logger_name: of a new logger; the class's name without one.
        main_process: whether this process logs at all.
    """

    def __init__(
        self,
        logger: logging.Logger | None = None,
        logging_file: str | os.PathLike[str] | None = None,
        logging_level: int | str | None = None,
        logger_name: str | None = None,
        main_process: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.logging_file = logging_file
        self.logging_level = logging_level
        self._logs = main_process
        self._logger = logger or self.create_logger(
            logging_file if main_process else None, logging_level, logger_name or type(self).__name__
        )

    @staticmethod
    def create_logger(
        logging_file: str | os.PathLike[str] | None = None,
        logging_level: int | str | None = None,
        logger_name: str | None = None,
    ) -> logging.Logger:
        """A logger that writes to the console, and to a file if one is given.

        Args:
            logging_file: the file, which is appended to; its folder is created.
            logging_level: see :class:`LoggingMixin`.
            logger_name: its name; "legm" without one.
        """
        logger = logging.Logger(logger_name or "legm", _level(logging_level))  # noqa: LOG001 - of one file
        handlers: list[logging.Handler] = [logging.StreamHandler()]
        if logging_file is not None:
            Path(logging_file).parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_AppendingLoggingHandler(Path(logging_file)))
        for handler in handlers:
            handler.setFormatter(logging.Formatter(_FORMAT))
            logger.addHandler(handler)
        return logger

    def get_logger(self) -> logging.Logger:
        """The logger."""
        return self._logger

    def log(self, message: object, level: int | str | None = None) -> None:
        """Log a message.

        Args:
            message: what is logged, as its text.
            level: its level, as a number or a name such as "info"; None for INFO.
        """
        if self._logs:
            self._logger.log(_level(level), "%s", message)


_level = logging_level
