"""Python runs this when it starts a process of a captured script: what is logged stays in the private stores.

Environment variables say where these are. What a script says itself comes before them, so a few calls are
changed when the libraries are imported: an address, a folder or a mode that the script gives is not used,
and an error that ends the script ends its run as failed. This file uses nothing of legm's, which need not
be installed for the Python that runs the script.
"""

import atexit
import contextlib
import functools
import importlib.machinery
import importlib.util
import inspect
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PLACE = os.environ.get("LEGM_CAPTURE", "")
_SET = {
    name: os.environ[name]
    for name in (
        "MLFLOW_TRACKING_URI",
        "_MLFLOW_SERVER_ARTIFACT_ROOT",
        "WANDB_DATA_DIR",
        "WANDB_DIR",
        "WANDB_MODE",
    )
    if name in os.environ
}


def _tell(what, given):
    sys.stderr.write(f"legm: {what} {given!r} is not used: what is logged is captured\n")


def _restore():
    """The variables as they were, but for a W&B that the script switches off."""
    address = os.environ.get("MLFLOW_TRACKING_URI", _SET.get("MLFLOW_TRACKING_URI"))
    if address != _SET.get("MLFLOW_TRACKING_URI"):
        _tell("the address", address)
    off = os.environ.get("WANDB_MODE") == "disabled"
    os.environ.update({name: value for name, value in _SET.items() if not (off and name == "WANDB_MODE")})


# wandb


def _of_wandb(wandb):
    begin = wandb.init
    signature = inspect.signature(begin)

    @functools.wraps(begin)
    def init(*args, **kwargs):
        kwargs = dict(signature.bind_partial(*args, **kwargs).arguments)
        kwargs.update(kwargs.pop("kwargs", {}))
        settings = kwargs.get("settings")
        if isinstance(settings, dict):
            settings = kwargs["settings"] = dict(settings)
            given = settings
        else:
            given = {name: getattr(settings, name) for name in getattr(settings, "model_fields_set", ())}
        if "disabled" in (kwargs.get("mode"), given.get("mode"), os.environ.get("WANDB_MODE")):
            return begin(**kwargs)
        _restore()
        kwargs.pop("dir", None)
        kwargs["mode"] = "offline"
        if isinstance(settings, dict):
            settings.pop("mode", None)
            settings.pop("root_dir", None)
        elif settings is not None:
            settings.mode, settings.root_dir = "offline", _SET["WANDB_DIR"]
        return begin(**kwargs)

    def login(*_, **__):  # there is nowhere to log in
        return True

    wandb.init, wandb.login = init, login


# mlflow


def _of_mlflow(mlflow):
    from mlflow.tracking import MlflowClient

    private = _SET["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(private)

    def stay(uri):
        if str(uri) != private:
            _tell("the address", str(uri))

    make, create = MlflowClient.__init__, MlflowClient.create_experiment

    @functools.wraps(make)
    def init(self, tracking_uri=None, registry_uri=None, *args, **kwargs):
        for uri in (tracking_uri, registry_uri):
            if uri is not None:
                stay(uri)
        make(self, None, None, *args, **kwargs)

    @functools.wraps(create)
    def create_experiment(self, name, artifact_location=None, *args, **kwargs):
        if artifact_location is not None:
            _tell("the folder", str(artifact_location))
        return create(self, name, None, *args, **kwargs)

    MlflowClient.__init__, MlflowClient.create_experiment = init, create_experiment
    for module in (mlflow, mlflow.tracking):
        for name in ("set_tracking_uri", "set_registry_uri"):
            if hasattr(module, name):
                setattr(module, name, stay)

    def fail():  # before MLflow's own, which takes every end for a good one
        if getattr(sys, "last_value", None) is not None:
            while mlflow.active_run() is not None:
                mlflow.end_run("FAILED")

    atexit.register(fail)


def _of_tables(utils):
    """Let processes that begin at once make the tables one after the other: else the store breaks."""
    exist, initialize = utils._all_tables_exist, utils._initialize_tables

    @functools.wraps(exist)
    def locked_exist(engine):
        with _lock(os.path.join(_PLACE, ".tables")):
            return exist(engine)

    @functools.wraps(initialize)
    def locked_initialize(engine):
        with _lock(os.path.join(_PLACE, ".tables")):
            if not exist(engine):
                initialize(engine)

    utils._all_tables_exist, utils._initialize_tables = locked_exist, locked_initialize


@contextlib.contextmanager
def _lock(path):
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_CHANGES = {"wandb": _of_wandb, "mlflow": _of_mlflow, "mlflow.store.db.utils": _of_tables}


class _Finder:
    """Finds modules of the libraries where they are, and changes them once they are imported."""

    def find_spec(self, name, path=None, target=None):
        if name not in _CHANGES:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader, _CHANGES[name])
                    return spec
        return None


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
        _restore()
        self._loader.exec_module(module)
        try:
            self._change(module)
        except Exception as error:  # another version of the library: the environment variables are left
            sys.stderr.write(f"legm: {module.__name__} is as it is: {error!r}\n")


def _other():
    """The sitecustomize that this one stands before."""
    paths = [path for path in sys.path if os.path.abspath(path or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


if _PLACE:
    sys.meta_path.insert(0, _Finder())
_other()
