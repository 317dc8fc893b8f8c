"""What takes the place of others' logging, plotting and progress bars when their code is run."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any


class Ignored:
    """Takes any call and gives itself. Keeps nothing of what it is given, unlike a mock."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> Any:
        return self

    __add__ = __truediv__ = __call__


class IgnoredModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(Ignored(), name)


def ignore_missing(*names: str) -> None:
    """Lets those of the modules that are not installed be imported, and do nothing."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = IgnoredModule(name)


def module(name: str, **attributes: object) -> ModuleType:
    """A module of these attributes alone; with a __path__, a package without its __init__.py."""
    made = ModuleType(name)
    vars(made).update(attributes)
    return made


class Turns:
    """Stands in for the progress bar over a loop's steps, and so makes the loop wait for its turn.

    The loop has a thread of its own, in which it runs while step() waits, and only then.
    """

    def __init__(self) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None

    def start(self, run: Callable[[], object]) -> None:
        """Runs the loop up to its first step. Raises what it raises."""

        def guarded() -> None:
            try:
                run()
            except BaseException as error:  # handed to the thread that waits
                self._error = error
                self._done.release()

        threading.Thread(target=guarded, daemon=True).start()
        self._wait()

    def step(self) -> None:
        """One step of the loop. Raises what it raises."""
        self._go.release()
        self._wait()

    def _wait(self) -> None:
        self._done.acquire()
        if self._error is not None:
            raise self._error

    def __iter__(self) -> Iterator[int]:
        while True:
            self._done.release()
            self._go.acquire()
            yield 2  # a number at which no loop samples or evaluates

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def set_postfix(self, **_: object) -> None:
        pass
