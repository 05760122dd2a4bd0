"""``driftline demo NN``: run the example of a scenario, which checks its own claim.

An example is a folder with a ``play.py`` beside its service, its data and its ``driftline.yaml``. ``play.py`` has
``play(stage)``, which starts what is needed on a :class:`stage.Stage`, replays the data and claims what was seen, and
may have ``NEEDS``, the packages in addition to the extra ``demo``: module → what to install.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import httpx
from rich.console import Console

from driftline_processor.present.numbers import many

from .processes import Ports, choose_ports
from .stage import Stage
from .steps import Steps

NOT_SEEN = 1
NOT_RUN = 2


def example_folders() -> dict[int, Path]:
    """Return the folders of the examples that run, by the number of their scenario.

    In a clone they are in ``examples/``, in an installed wheel beside this module.
    """
    beside = Path(__file__).with_name("examples")
    home = beside if beside.is_dir() else Path(__file__).parents[3] / "examples"
    return {
        int(path.parent.name[:2]): path.parent
        for path in sorted(home.glob("*/play.py"))
        if re.match(r"\d\d-", path.parent.name)
    }


def run_example(
    number: int, console: Console, keep: bool = False, port: int | None = None, engine: str | None = None
) -> int:
    """Run an example; returns the exit code: 0 = what it claims was seen, 1 = it was not, 2 = it could not run.

    Args:
        number: Number of the scenario.
        console: Where to print.
        keep: Serve the pages until Ctrl-C afterwards.
        port: First of four ports, see :func:`processes.choose_ports`.
        engine: What counts the rows, such as ``spark``; None = the processor.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with the example
    folders = example_folders()
    try:
        if number not in folders:
            known = ", ".join(str(one) for one in [0, *folders])
            raise RuntimeError(f"there is no example {number}; the examples are {known}")
        script = f"play_{engine}.py" if engine else "play.py"
        if not (folders[number] / script).is_file():
            raise RuntimeError(f"example {number} does not run on {engine}; leave out --engine")
        with tempfile.TemporaryDirectory(prefix="driftline-example-") as name:
            folder = Path(name) / folders[number].name
            shutil.copytree(folders[number], folder, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
            ports, note = choose_ports(port)
            if note:
                console.print(note)
            return _play(folder / script, ports, console, keep)
    except (OSError, RuntimeError, httpx.HTTPError) as error:
        Console(stderr=True).print(f"driftline demo {number}: {error}", style="red", highlight=False, markup=False)
        return NOT_RUN
    except KeyboardInterrupt:
        return NOT_RUN


def _play(script: Path, ports: Ports, console: Console, keep: bool) -> int:
    started, folder = time.monotonic(), script.parent
    title = (folder / "README.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    console.print(f"[bold]{title}[/]")
    play = _load(script)
    for module, package in getattr(play, "NEEDS", {}).items():
        if importlib.util.find_spec(module) is None:
            raise RuntimeError(f"{module} is not installed; run: {sys.executable} -m pip install {package}")
    with contextlib.ExitStack() as ending:
        with Steps(console) as steps:
            stage = Stage(folder, ports, console, steps, ending)
            play.play(stage)
        seen = stage.report()
        console.print(f"\n{many(round(time.monotonic() - started), 'second')}.")
        if keep:
            console.print(f"The pages are at {stage.web} until Ctrl-C; the folder is {folder}.", soft_wrap=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    return 0 if seen else NOT_SEEN


def _load(script: Path) -> ModuleType:
    """Import ``play.py`` of a folder, whose other modules it may import."""
    sys.path.insert(0, str(script.parent))
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
