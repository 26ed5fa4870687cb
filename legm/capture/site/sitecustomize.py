"""Python runs this when a process of a captured script starts, to keep what it logs in the private stores.

Environment variables say where these are. A script's own settings would take precedence, so a few calls are
patched when the libraries are imported: an address, a folder or a mode that the script sets is not used, and
an error that ends the script marks its run as failed. Of a distributed script only rank 0 is captured. This
file imports nothing from legm, which does not have to be installed for the Python that runs the script; the
modules that find the rank, the user's variables and the runs of earlier captures are loaded by their paths.
The runs of a handler of legm's in the script are not captured: its backends use the user's own stores.
"""

import atexit
import contextlib
import functools
import importlib.machinery
import importlib.util
import inspect
import json
import os
import pathlib
import sys
import threading

_SITE_FOLDER = os.path.dirname(os.path.abspath(__file__))
_STAGING_FOLDER = os.environ.get("LEGM_CAPTURE", "")
_VARIABLES = {
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


def _load_capture_module(package, name):
    path = os.path.join(_SITE_FOLDER, os.pardir, os.pardir, package, name + ".py")
    spec = importlib.util.spec_from_file_location("_legm_" + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _resumed_by_capture(tracker):
    """The run of an earlier capture that the first run of the script resumes; None for no such run."""
    try:
        return json.loads(os.environ.get("LEGM_CAPTURE_RESUME") or "{}").get(tracker)
    except ValueError:
        return None


def _is_first_in_capture(tracker):
    """Whether no process of the script has begun a run of a tracker before."""
    try:
        os.close(os.open(os.path.join(_STAGING_FOLDER, f".begun-{tracker}"), os.O_CREAT | os.O_EXCL))
    except OSError:
        return False
    return True


def _report_resumed_run(text):
    sys.stderr.write(f"legm: {text}\n")


def _warn_unused_in_capture(what, given):
    sys.stderr.write(f"legm: {what} {given!r} is not used, because the script is captured\n")


def _restore_captured_environment():
    """Restore the variables, unless the script has disabled W&B."""
    address = os.environ.get("MLFLOW_TRACKING_URI", _VARIABLES.get("MLFLOW_TRACKING_URI"))
    if address != _VARIABLES.get("MLFLOW_TRACKING_URI"):
        _warn_unused_in_capture("the address", address)
    _USER.keep_user_variables()
    off = os.environ.get("WANDB_MODE") == "disabled"
    os.environ.update(
        {name: value for name, value in _VARIABLES.items() if not (off and name == "WANDB_MODE")}
    )


# wandb


def _patch_captured_wandb(wandb):
    begin = wandb.init
    signature = inspect.signature(begin)

    @functools.wraps(begin)
    def init(*args, **kwargs):
        if sys._getframe(1).f_globals.get("__name__") == "legm.backends.wandb.backend":  # noqa: SLF001
            return begin(*args, **kwargs)
        kwargs = dict(signature.bind_partial(*args, **kwargs).arguments)
        kwargs.update(kwargs.pop("kwargs", {}))
        settings = kwargs.get("settings")
        if isinstance(settings, dict):
            settings = kwargs["settings"] = dict(settings)
            given = settings
        else:
            given = {name: getattr(settings, name) for name in getattr(settings, "model_fields_set", ())}
        if not _RANKS.is_main_process():
            kwargs.pop("settings", None)
            kwargs["mode"] = "disabled"
            return begin(**kwargs)
        if "disabled" in (kwargs.get("mode"), given.get("mode"), os.environ.get("WANDB_MODE")):
            return begin(**kwargs)
        _restore_captured_environment()
        kwargs.pop("dir", None)
        kwargs["mode"] = "offline"
        if wandb.run is None:
            kwargs.update(_resumed_captured_wandb_run(kwargs, given))
        if isinstance(settings, dict):
            settings.pop("mode", None)
            settings.pop("root_dir", None)
        elif settings is not None:
            settings.mode, settings.root_dir = "offline", _VARIABLES["WANDB_DIR"]
        return begin(**kwargs)

    def login(*_, **__):  # there is no server to log in to
        return True

    wandb.init, wandb.login = init, login
    _EXIT.PROCESS_EXIT.watch()
    _patch_captured_exit_code()


def _resumed_captured_wandb_run(kwargs, given):
    """The id of the run of an earlier capture that this one continues, for the first run of the script.

    None where the script or the user says which run it is, or begins one that cannot be the same.
    """

    def value(name, setting, variable, default=""):
        return kwargs.get(name) or given.get(setting) or os.environ.get(variable) or default

    found = _resumed_by_capture("wandb")
    if found is None or not _is_first_in_capture("wandb"):
        return {}
    if value("id", "run_id", "WANDB_RUN_ID") or value("resume", "resume", "WANDB_RESUME") == "never":
        return {}
    if kwargs.get("fork_from") or kwargs.get("resume_from"):
        return {}
    if value("project", "project", "WANDB_PROJECT", "uncategorized") != found["project"]:
        return {}
    if value("job_type", "run_job_type", "WANDB_JOB_TYPE") != found["job_type"]:
        return {}
    config = kwargs.get("config")
    for name, known in found["parameters"].items() if isinstance(config, dict) else ():
        own = config
        for part in [name] if name in config else name.split("."):
            own = own.get(part, known) if isinstance(own, dict) else known
        if own != known and str(own) != str(known):
            text = f"the run {found['run_id']} is not resumed: {name} was {known!r} and is {own!r}"
            _report_resumed_run(text)
            return {}
    return {"id": found["key"], "resume": "allow"}


def _patch_captured_exit_code():
    """Tell W&B of the exits that it does not see: a raised SystemExit."""
    from wandb.sdk.lib.exit_hooks import ExitHooks

    ending = []
    # Before W&B's own hook, and not for a run that the script itself finishes.
    getattr(threading, "_register_atexit", atexit.register)(lambda: ending.append(True))

    def exit_code(hooks):
        code = vars(hooks).get("exit_code", 0)
        return code or int(bool(ending) and _EXIT.PROCESS_EXIT.error() is not None)

    def set_exit_code(hooks, code):
        vars(hooks)["exit_code"] = code

    ExitHooks.exit_code = property(exit_code, set_exit_code)


# mlflow


def _patch_captured_mlflow(mlflow):
    from mlflow.tracking import MlflowClient

    _begin_with_earlier_runs(mlflow.__version__)
    private = _VARIABLES["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(private)

    def warn_if_other(uri):
        if str(uri) != private:
            _warn_unused_in_capture("the address", str(uri))

    make, create = MlflowClient.__init__, MlflowClient.create_experiment
    create_run = MlflowClient.create_run

    @functools.wraps(make)
    def init(self, tracking_uri=None, registry_uri=None, *args, **kwargs):
        for uri in (tracking_uri, registry_uri):
            if uri is not None:
                warn_if_other(uri)
        make(self, None, None, *args, **kwargs)

    @functools.wraps(create)
    def create_experiment(self, name, artifact_location=None, *args, **kwargs):
        if artifact_location is not None:
            _warn_unused_in_capture("the folder", str(artifact_location))
        return create(self, name, None, *args, **kwargs)

    @functools.wraps(create_run)
    def create_marked_run(
        self, *args, **kwargs
    ):  # the run stays readable for the script, and is not imported
        if not _RANKS.is_main_process():
            given = inspect.signature(create_run).bind(self, *args, **kwargs).arguments
            given["tags"] = dict(given.get("tags") or {}, **{_RANKS.RANK_TAG: str(_RANKS.process_rank())})
            return create_run(**given)
        return create_run(self, *args, **kwargs)

    MlflowClient.__init__, MlflowClient.create_experiment = init, create_experiment
    MlflowClient.create_run = create_marked_run
    _patch_captured_mlflow_start(mlflow, MlflowClient)
    for module in (mlflow, mlflow.tracking):
        for name in ("set_tracking_uri", "set_registry_uri"):
            if hasattr(module, name):
                setattr(module, name, warn_if_other)

    def mark_failed():  # runs before MLflow's own hook, which marks every run as finished
        error = _EXIT.PROCESS_EXIT.error()
        if error is not None:
            while mlflow.active_run() is not None:
                mlflow.end_run("KILLED" if error == _EXIT.UNKNOWN_EXIT else "FAILED")

    _EXIT.PROCESS_EXIT.watch()
    atexit.register(mark_failed)


def _patch_captured_mlflow_start(mlflow, client):
    """Let the first run of the script be the one of an earlier capture that it resumes without saying so."""
    from mlflow.tracking import fluent

    begin, log_param, log_batch = fluent.start_run, client.log_param, client.log_batch
    kept = {}  # by the id of a resumed run, its params

    def resumed_run(experiment_id):
        found = _resumed_by_capture("mlflow")
        if found is None or not _is_first_in_capture("mlflow"):
            return None
        try:
            run = client().get_run(found["key"])
            wanted = str(experiment_id or fluent._get_experiment_id())  # noqa: SLF001 - there is no public name
        except Exception as error:
            _report_resumed_run(f"the run {found['run_id']} is not resumed: {error}")
            return None
        if run.info.experiment_id != wanted or run.info.lifecycle_stage != "active":
            return None
        kept[run.info.run_id] = dict(run.data.params)
        return run.info.run_id

    def is_kept(run_id, name, value):
        """Whether a param of a resumed run has another value already, which MLflow never changes."""
        known = kept.get(run_id, {}).get(name)
        if known is None or known == str(value):
            return False
        _report_resumed_run(f"the run is resumed: its {name!r} stays {known!r}, not {str(value)!r}")
        return True

    @functools.wraps(begin)
    def start_run(run_id=None, experiment_id=None, *args, **kwargs):
        is_first = run_id is None and not kwargs.get("parent_run_id") and not os.environ.get("MLFLOW_RUN_ID")
        if is_first and mlflow.active_run() is None and _RANKS.is_main_process():
            run_id = resumed_run(experiment_id)
        return begin(run_id, experiment_id, *args, **kwargs)

    @functools.wraps(log_param)
    def log_own_param(self, run_id, key, value, *args, **kwargs):
        if is_kept(run_id, key, value):
            return value
        return log_param(self, run_id, key, value, *args, **kwargs)

    @functools.wraps(log_batch)
    def log_own_batch(self, run_id, metrics=(), params=(), *args, **kwargs):
        params = [one for one in params if not is_kept(run_id, one.key, one.value)]
        return log_batch(self, run_id, metrics, params, *args, **kwargs)

    client.log_param, client.log_batch = log_own_param, log_own_batch
    fluent.start_run = mlflow.start_run = start_run


def _begin_with_earlier_runs(version):
    """Let the script find what earlier captures made; without it, its store is empty."""
    try:
        with _captured_store_locked(os.path.join(_STAGING_FOLDER, ".tables")):
            earlier = _load_capture_module("capture", "earlier_store")
            earlier.begin_with_earlier_runs(pathlib.Path(_STAGING_FOLDER), version)
    except Exception as error:
        sys.stderr.write(f"legm: MLflow does not have the runs of earlier captures: {error!r}\n")


def _add_runs_of_another_version():
    """The same, where another version of MLflow made their store; the tables are locked."""
    try:
        earlier = _load_capture_module("capture", "earlier_store")
        earlier.add_runs_of_another_version(pathlib.Path(_STAGING_FOLDER))
    except Exception as error:
        sys.stderr.write(f"legm: MLflow does not have the runs of earlier captures: {error!r}\n")


def _patch_captured_mlflow_tables(utils):
    """Let concurrent processes create the tables one after the other: otherwise the store breaks."""
    exist, initialize = utils._all_tables_exist, utils._initialize_tables  # noqa: SLF001 - there is no public name

    @functools.wraps(exist)
    def locked_exist(engine):
        with _captured_store_locked(os.path.join(_STAGING_FOLDER, ".tables")):
            return exist(engine)

    @functools.wraps(initialize)
    def locked_initialize(engine):
        with _captured_store_locked(os.path.join(_STAGING_FOLDER, ".tables")):
            if not exist(engine):
                initialize(engine)
                _add_runs_of_another_version()

    utils._all_tables_exist, utils._initialize_tables = locked_exist, locked_initialize  # noqa: SLF001


@contextlib.contextmanager
def _captured_store_locked(path):
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_PATCHES = {
    "wandb": _patch_captured_wandb,
    "mlflow": _patch_captured_mlflow,
    "mlflow.store.db.utils": _patch_captured_mlflow_tables,
}


class _PatchingFinder:
    """Finds the libraries' modules, and patches them once they are imported."""

    def find_spec(self, name, path=None, target=None):
        if name not in _PATCHES:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = _PatchingLoader(spec.loader, _PATCHES[name])
                    return spec
        return None


class _PatchingLoader:
    """A loader that patches the module it loads."""

    def __init__(self, loader, patch):
        self._loader = loader
        self._patch = patch

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        _restore_captured_environment()
        self._loader.exec_module(module)
        try:
            self._patch(module)
        except Exception as error:  # another version of the library: the environment variables still apply
            sys.stderr.write(f"legm: {module.__name__} cannot be patched: {error!r}\n")


def _run_next_sitecustomize():
    """Run the sitecustomize that this one hides."""
    paths = [path for path in sys.path if os.path.abspath(path or ".") != _SITE_FOLDER]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


_EXIT = _load_capture_module("util", "process_exit")
_RANKS = _load_capture_module("util", "process_rank")
_USER = _load_capture_module("util", "user_environment")
if _STAGING_FOLDER:
    sys.meta_path.insert(0, _PatchingFinder())
_run_next_sitecustomize()
