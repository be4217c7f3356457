"""`drai explore`: a page on this machine to look at a model, or to follow a run."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from drai_cli.data.image_set import SetOptions
from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.explore.counted import Count, Counted
from drai_cli.explore.explorer import Explorer
from drai_cli.explore.model import ExploredModel, open_model
from drai_cli.explore.opened import Watch
from drai_cli.explore.real_images import RealImages, load_real_images
from drai_cli.explore.server import address_of, bind, import_server, make_server, new_token
from drai_cli.hub.locate import locate_weights
from drai_cli.progress import SILENT, Reporter
from drai_cli.run.directory import RunDirectory, run_of
from drai_cli.settings.image_options import SampleOptions
from drai_cli.settings.model_options import ExploreOptions
from drai_cli.settings.typed import check_ranges
from drai_cli.workflows.sample import sample

_WAITING = 128


def explore(
    options: ExploreOptions, reporter: Reporter = SILENT, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Serves the page until Ctrl-C.

    Args:
        options: Which model, and how.
        reporter: Shown what is loaded.
        tell: Called with the address once the server can be reached.

    Raises:
        UsageError: The extra is not installed, or a port or device cannot be used.
        WeightsError, NetworkError: A model that cannot be found or used.
        InputError: There are no real images at the path.
    """
    source = check_explore(options)
    run = _run_to_follow(options.weights)

    def open() -> ExploredModel:
        return open_model(options.weights, options.device, "torch", reporter)

    def load_real(model: ExploredModel) -> RealImages:
        assert options.images is not None
        return load_real_images(options.images, model.header, reporter, source)

    def keep(chosen: SampleOptions, count: Count) -> dict[str, Any]:
        made = sample(chosen, Counted(reporter, count))
        return {"out": str(made.out), "images": made.images, "labels": dict(made.labels)}

    listener, token = bind(options.port), new_token()
    watch = Watch(open, run)
    try:
        real = load_real if options.images is not None else None
        explorer = Explorer(watch, options.weights, keep, real, options.device)
        # Before the thread of `watch`: a signal in one of two threads that import at once leaves Python's lock held.
        server = make_server(explorer, listener, token)
        watch.start()
        listener.listen(_WAITING)
        address = address_of(listener, token)
        tell(address)
        if options.open:
            webbrowser.open(address)
        # Threads of arithmetic are set once for all; threads that set and restore them would disturb each other.
        with nullcontext() if watch.now is None else watch.now.model.quick.allow_threads():
            server.run(sockets=[listener])
    finally:
        watch.stop()
        listener.close()


def check_explore(options: ExploreOptions) -> SetOptions:
    """Checks the options and the extra as `explore` does before it loads the model; raises what it raises.

    Returns:
        How the real images are to be understood.
    """
    check_ranges(options)
    source = SetOptions(
        metadata=options.metadata, image_column=options.image_column, label=options.label, kind=options.kind
    )
    if options.images is None and source != SetOptions():
        raise UsageError(
            "--metadata, --image-column, --label, --kind", "apply to --images, which is not given"
        )
    if options.images is not None and not options.images.exists():
        raise InputError(options.images, "no such file or folder", "check the path given to --images")
    import_server()
    return source


def _run_to_follow(weights: str | None) -> RunDirectory | None:
    """The run that WEIGHTS names, also one that has no model yet; None for any other model."""
    if weights is None or weights.lower().endswith(".onnx"):
        return None
    directory = RunDirectory(Path(weights).expanduser())
    if directory.is_begun:
        return directory
    try:
        return run_of(locate_weights(weights))
    except WeightsError:
        return None
