"""Python runs this when it starts a process of a captured script: what is logged stays in the private stores.

Environment variables say where these are. What a script says itself comes before them, so a few calls are
changed when the libraries are imported: an address, a folder or a mode that the script gives is not used,
and an error that ends the script ends its run as failed. This file uses nothing of legm's, which need not
be installed for the Python that runs the script.
"""

import atexit
import functools
import importlib.machinery
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_SET = {name: os.environ[name] for name in ("WANDB_DIR", "WANDB_DATA_DIR") if name in os.environ}


def _tell(what, given):
    sys.stderr.write(f"legm: {what} {given!r} is not used: what is logged is captured\n")


# wandb


def _of_wandb(wandb):
    begin = wandb.init

    @functools.wraps(begin)
    def init(*args, **kwargs):
        settings = kwargs.get("settings")
        given = settings if isinstance(settings, dict) else dict(getattr(settings, "__dict__", {}))
        mode = kwargs.get("mode") or given.get("mode") or os.environ.get("WANDB_MODE")
        if mode != "disabled":
            kwargs.pop("dir", None)
            kwargs["mode"] = "offline"
            os.environ.update(_SET)
            if isinstance(settings, dict):
                kwargs["settings"] = {k: v for k, v in settings.items() if k not in ("mode", "root_dir")}
            elif settings is not None:
                settings.mode, settings.root_dir = "offline", _SET.get("WANDB_DIR", ".")
        return begin(*args, **kwargs)

    wandb.init = init


# mlflow


def _of_mlflow(mlflow):
    from mlflow.tracking import MlflowClient

    private = os.environ["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(private)

    def stay(uri):
        if str(uri) != private:
            _tell("the address", str(uri))

    make = MlflowClient.__init__

    @functools.wraps(make)
    def init(self, tracking_uri=None, registry_uri=None):
        for uri in (tracking_uri, registry_uri):
            if uri is not None:
                stay(uri)
        make(self)

    MlflowClient.__init__ = init
    for module in (mlflow, mlflow.tracking):
        for name in ("set_tracking_uri", "set_registry_uri"):
            if hasattr(module, name):
                setattr(module, name, stay)

    def fail():  # before MLflow's own, which takes every end for a good one
        if getattr(sys, "last_value", None) is not None:
            while mlflow.active_run() is not None:
                mlflow.end_run("FAILED")

    atexit.register(fail)


_CHANGES = {"wandb": _of_wandb, "mlflow": _of_mlflow}


class _Finder:
    """Finds the libraries where they are, and changes them once they are imported."""

    def find_spec(self, name, path=None, target=None):
        if name not in _CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader, _CHANGES[name])
        return spec


class _Loader:
    """A loader that changes the module behind it."""

    def __init__(self, loader, change):
        self._loader = loader
        self._change = change

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            self._change(module)
        except Exception as error:  # another version of the library: the environment variables are left
            sys.stderr.write(f"legm: {module.__name__} is as it is: {error!r}\n")


def _others():
    """The sitecustomize that this one stands before."""
    paths = [path for path in sys.path if os.path.abspath(path or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


if "LEGM_CAPTURE" in os.environ:
    sys.meta_path.insert(0, _Finder())
import importlib.util  # noqa: E402 - only for the other one

_others()
