"""trackio has all that legm's conformance kit asks for. Run it with TRACKIO_DIR on an empty folder."""

from legm_trackio import Backend, project
from trackio.sqlite_storage import SQLiteStorage

from legm.testing import BackendTests


class TestTrackio(BackendTests):
    def make_backend(self, store):
        return Backend(store)

    def make_unreachable(self, store):
        path = SQLiteStorage.get_project_db_path(project(self.experiment(store)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"this is no database " * 1000)
        return Backend(store)

    def stored_points(self, store, run):
        rows = SQLiteStorage.get_logs(project(run.configuration.experiment), run_id=run.run_id)
        return [("loss", row["step"], row["dev/loss"]) for row in rows if "dev/loss" in row]
