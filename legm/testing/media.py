"""What a backend with MEDIA must do: every kind of medium comes back as it was logged."""

from __future__ import annotations

import hashlib
import io
import wave
from pathlib import Path

from legm.delivery.client import BackendClient
from legm.hooks import Backend, Capability
from legm.records import Media, MediaKind, Run
from legm.testing.kit import ConformanceKit, kit_expects, kit_expects_same, kit_png

__all__ = ["MediaTests"]


class MediaTests(ConformanceKit):
    """One test for each kind of medium, and for what all of them share."""

    def _media(self, store: Path, backend: Backend, run: Run) -> list[Media]:
        return BackendClient(backend, store).media(run)

    def _logged_media(
        self, store: Path, call: str, *arguments: object, **more: object
    ) -> tuple[Backend, Run, Media | None]:
        """Log one medium at step 3, and read it back from another instance; None without MEDIA."""
        _, handler = self._logged(store)
        handler.reset()
        with handler:
            handler.set_metric("loss", 0.5)
            getattr(handler, call)("ünder/a name", *arguments, step=3, **more)
            run = handler.log().run
        again = self.make_backend(store)
        if not BackendClient(again, store).supports(Capability.MEDIA):
            return again, run, None
        (found,) = self._media(store, again, run)
        kit_expects_same((found.name, found.step), ("ünder/a name", 3), "name and step of the medium")
        return again, run, found

    def _expect_content(self, store: Path, backend: Backend, run: Run, found: Media, content: bytes) -> None:
        (file,) = found.files
        kit_expects_same(file.digest, hashlib.sha256(content).hexdigest(), "the digest of the medium")
        kit_expects_same(
            BackendClient(backend, store).media_content(run, file), content, "the content of the medium"
        )

    def test_pictures_come_back(self, tmp_path: Path) -> None:
        """MEDIA: several pictures with captions are one medium."""
        (tmp_path / "given").mkdir()
        contents = [kit_png(note) for note in (b"first", b"second")]
        paths = []
        for number, content in enumerate(contents):
            paths.append(tmp_path / "given" / f"{number}.png")
            paths[-1].write_bytes(content)
        captions = ["one", "zwei ü"]
        backend, run, found = self._logged_media(tmp_path, "log_image", paths, caption=captions)
        if found is None:
            return
        kit_expects_same(found.kind, MediaKind.IMAGE, "the kind of the medium")
        kit_expects_same([file.caption for file in found.files], captions, "the captions")
        client = BackendClient(backend, tmp_path)
        read = [client.media_content(run, file) for file in found.files]
        kit_expects_same(read, contents, "the content of the pictures")

    def test_sounds_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a sound has its rate."""
        import numpy as np

        samples = np.array([0, 1000, -1000, 32767], np.int16)
        backend, run, found = self._logged_media(tmp_path, "log_audio", samples, 8000, caption="a beep")
        if found is None:
            return
        kit_expects_same(found.kind, MediaKind.AUDIO, "the kind of the medium")
        (file,) = found.files
        kit_expects_same((file.caption, file.details["rate"]), ("a beep", 8000), "caption and rate")
        content = BackendClient(backend, tmp_path).media_content(run, file)
        with wave.open(io.BytesIO(content)) as sound:
            kit_expects_same(sound.readframes(9), samples.tobytes(), "the samples of the sound")

    def test_texts_and_pages_come_back(self, tmp_path: Path) -> None:
        """MEDIA: texts and pages."""
        for call, kind in (("log_text", MediaKind.TEXT), ("log_html", MediaKind.HTML)):
            (tmp_path / call).mkdir()
            text = f"<b>a text of {call}</b>\nß"
            backend, run, found = self._logged_media(tmp_path / call, call, text)
            if found is not None:
                kit_expects_same(found.kind, kind, "the kind of the medium")
                self._expect_content(tmp_path / call, backend, run, found, text.encode())

    def test_histograms_and_tables_come_back(self, tmp_path: Path) -> None:
        """MEDIA: histograms keep their counts, and tables their values, types and NaN."""
        from legm.media.histograms import histogram_counts
        from legm.media.tables import table_columns

        (tmp_path / "a").mkdir()
        backend, run, found = self._logged_media(tmp_path / "a", "log_histogram", [0.0, 1.0, 1.0], bins=2)
        if found is None:
            return
        kit_expects_same(found.kind, MediaKind.HISTOGRAM, "the kind of the medium")
        content = BackendClient(backend, tmp_path / "a").media_content(run, found.files[0])
        kit_expects_same(histogram_counts(content), ([0.0, 0.5, 1.0], [1, 2]), "edges and counts")
        (tmp_path / "b").mkdir()
        table = {"text": ["ä", None], "number": [0.5, float("inf")]}
        backend, run, found = self._logged_media(tmp_path / "b", "log_table", table)
        assert found is not None  # noqa: S101 - it was there just before
        kit_expects_same(found.kind, MediaKind.TABLE, "the kind of the medium")
        content = BackendClient(backend, tmp_path / "b").media_content(run, found.files[0])
        kit_expects_same(table_columns(content), table, "the columns of the table")

    def test_figures_and_videos_come_back(self, tmp_path: Path) -> None:
        """MEDIA: figures, and videos as they are."""
        from matplotlib.figure import Figure

        figure = Figure()
        figure.subplots().plot([0, 1])
        (tmp_path / "a").mkdir()
        _, _, found = self._logged_media(tmp_path / "a", "log_figure", figure)
        if found is None:
            return
        kit_expects_same(found.kind, MediaKind.FIGURE, "the kind of the medium")
        (tmp_path / "given").mkdir()
        path = tmp_path / "given" / "video.mp4"
        path.write_bytes(b"\x00\x00\x00\x18ftypmp42 a video of the kit")
        (tmp_path / "b").mkdir()
        backend, run, found = self._logged_media(tmp_path / "b", "log_video", path)
        assert found is not None  # noqa: S101 - it was there just before
        kit_expects_same(found.kind, MediaKind.VIDEO, "the kind of the medium")
        self._expect_content(tmp_path / "b", backend, run, found, path.read_bytes())

    def test_media_are_in_order_and_void_after_a_rewind(self, tmp_path: Path) -> None:
        """MEDIA: media come back in order; those behind a rewind do not."""
        _, handler = self._logged(tmp_path)
        handler.reset()
        with handler:
            for step in range(3):
                handler.log_text("note", f"at {step}", step=step)
            handler.rewind(1)
            handler.log_text("note", "at 2, again")
            run = handler.log().run
        again = self.make_backend(tmp_path)
        if not BackendClient(again, tmp_path).supports(Capability.MEDIA):
            return
        found = self._media(tmp_path, again, run)
        client = BackendClient(again, tmp_path)
        texts = [client.media_content(run, one.files[0]).decode() for one in found]
        kit_expects_same(texts, ["at 0", "at 1", "at 2, again"], "the media of the rewound run")
        kit_expects(
            [one.step for one in found] == [0, 1, 2], f"their steps are {[one.step for one in found]}"
        )
