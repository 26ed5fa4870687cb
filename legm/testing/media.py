"""What a backend with MEDIA must do: every kind of medium comes back as it was logged."""

from __future__ import annotations

import hashlib
import io
import wave
from pathlib import Path

from legm.delivery.client import BackendClient
from legm.hooks import Capability
from legm.records import Media, MediaKind, Run
from legm.testing.kit import ConformanceKit, kit_expects, kit_expects_same, kit_png

__all__ = ["MediaTests"]


class MediaTests(ConformanceKit):
    """One test for each kind of medium, and for what all of them share."""

    def _has_media(self, store: Path, kind: MediaKind) -> bool:
        return BackendClient(self._made(store), store).supports_media(kind)

    def _logged_media(
        self, store: Path, call: str, *arguments: object, **more: object
    ) -> tuple[BackendClient, Run, Media]:
        """Log one medium at step 3, and read it back from another instance."""
        handler = self._handler(store, self._made(store))
        handler.start_with({"rate": 0.5})
        handler.set_metric("loss", 0.5)
        getattr(handler, call)("ünder/a name", *arguments, step=3, **more)
        run = handler.log().run
        handler.end()
        client = BackendClient(self._made(store), store)
        (found,) = client.media(run)
        kit_expects_same((found.name, found.step), ("ünder/a name", 3), "name and step of the medium")
        return client, run, found

    def _expect_content(self, client: BackendClient, run: Run, found: Media, content: bytes) -> None:
        (file,) = found.files
        kit_expects_same(file.digest, hashlib.sha256(content).hexdigest(), "the digest of the medium")
        kit_expects_same(client.media_content(run, file), content, "the content of the medium")

    def test_pictures_come_back(self, tmp_path: Path) -> None:
        """MEDIA: several pictures with captions are one medium."""
        if not self._has_media(tmp_path, MediaKind.IMAGE):
            return
        (tmp_path / "given").mkdir()
        contents = [kit_png(note) for note in (b"first", b"second")]
        paths = []
        for number, content in enumerate(contents):
            paths.append(tmp_path / "given" / f"{number}.png")
            paths[-1].write_bytes(content)
        captions = ["one", "zwei ü"]
        client, run, found = self._logged_media(tmp_path, "log_image", paths, caption=captions)
        kit_expects_same(found.kind, MediaKind.IMAGE, "the kind of the medium")
        kit_expects_same([file.caption for file in found.files], captions, "the captions")
        read = [client.media_content(run, file) for file in found.files]
        kit_expects_same(read, contents, "the content of the pictures")

    def test_figures_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a figure is a picture, and is known as a figure."""
        if not self._has_media(tmp_path, MediaKind.FIGURE):
            return
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1, 1), dpi=20)
        figure.subplots().plot([0, 1])
        client, run, found = self._logged_media(tmp_path, "log_figure", figure)
        kit_expects_same(found.kind, MediaKind.FIGURE, "the kind of the medium")
        content = client.media_content(run, found.files[0])
        kit_expects(content.startswith(b"\x89PNG"), "the figure is not a PNG")

    def test_sounds_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a sound has its rate."""
        if not self._has_media(tmp_path, MediaKind.AUDIO):
            return
        import numpy as np

        samples = np.array([0, 1000, -1000, 32767], np.int16)
        client, run, found = self._logged_media(tmp_path, "log_audio", samples, 8000, caption="a beep")
        kit_expects_same(found.kind, MediaKind.AUDIO, "the kind of the medium")
        (file,) = found.files
        kit_expects_same((file.caption, file.details.get("rate")), ("a beep", 8000), "caption and rate")
        with wave.open(io.BytesIO(client.media_content(run, file))) as sound:
            kit_expects_same(sound.readframes(9), samples.tobytes(), "the samples of the sound")

    def test_videos_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a video comes back as it is."""
        if not self._has_media(tmp_path, MediaKind.VIDEO):
            return
        (tmp_path / "given").mkdir()
        path = tmp_path / "given" / "video.mp4"
        path.write_bytes(b"\x00\x00\x00\x18ftypmp42 a video of the kit")
        client, run, found = self._logged_media(tmp_path, "log_video", path)
        kit_expects_same(found.kind, MediaKind.VIDEO, "the kind of the medium")
        self._expect_content(client, run, found, path.read_bytes())

    def test_3d_objects_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a 3D object comes back as it is, and is known as one."""
        if not self._has_media(tmp_path, MediaKind.OBJECT3D):
            return
        (tmp_path / "given").mkdir()
        path = tmp_path / "given" / "shape.obj"
        path.write_bytes(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
        client, run, found = self._logged_media(tmp_path, "log_object3d", path, caption="a face")
        kit_expects_same(found.kind, MediaKind.OBJECT3D, "the kind of the medium")
        kit_expects_same(found.files[0].caption, "a face", "the caption")
        self._expect_content(client, run, found, path.read_bytes())

    def test_histograms_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a histogram has its edges and counts."""
        if not self._has_media(tmp_path, MediaKind.HISTOGRAM):
            return
        from legm.media.histograms import histogram_counts

        client, run, found = self._logged_media(tmp_path, "log_histogram", [0.0, 1.0, 1.0], bins=2)
        kit_expects_same(found.kind, MediaKind.HISTOGRAM, "the kind of the medium")
        content = client.media_content(run, found.files[0])
        kit_expects_same(histogram_counts(content), ([0.0, 0.5, 1.0], [1, 2]), "edges and counts")

    def test_texts_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a text comes back with its line breaks."""
        if not self._has_media(tmp_path, MediaKind.TEXT):
            return
        text = "a **text**\r\nß\n"
        client, run, found = self._logged_media(tmp_path, "log_text", text)
        kit_expects_same(found.kind, MediaKind.TEXT, "the kind of the medium")
        self._expect_content(client, run, found, text.encode())

    def test_tables_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a table has its values, of their types, also what JSON does not have."""
        if not self._has_media(tmp_path, MediaKind.TABLE):
            return
        from legm.media.tables import media_table_columns

        table = {"text": ["ä", None], "number": [0.5, float("inf")]}
        client, run, found = self._logged_media(tmp_path, "log_table", table)
        kit_expects_same(found.kind, MediaKind.TABLE, "the kind of the medium")
        content = client.media_content(run, found.files[0])
        kit_expects_same(media_table_columns(content), table, "the columns of the table")

    def test_pages_come_back(self, tmp_path: Path) -> None:
        """MEDIA: a page comes back."""
        if not self._has_media(tmp_path, MediaKind.HTML):
            return
        text = "<b>a page</b>\nß"
        client, run, found = self._logged_media(tmp_path, "log_html", text)
        kit_expects_same(found.kind, MediaKind.HTML, "the kind of the medium")
        self._expect_content(client, run, found, text.encode())

    def test_media_of_other_kinds_are_files(self, tmp_path: Path) -> None:
        """MEDIA: of a kind that is not among its media_kinds, a backend with ARTIFACTS has the file."""
        client = BackendClient(self._made(tmp_path), tmp_path)
        if client.supports_media(MediaKind.HTML) or not client.supports(Capability.ARTIFACTS):
            return
        text = "<b>a page that nothing else of the kit has</b>"
        handler = self._handler(tmp_path, self._made(tmp_path))
        handler.start_with({"rate": 0.5})
        handler.set_metric("loss", 0.5)
        handler.log_html("a page", text, step=3)
        run = handler.log().run
        handler.end()
        kit_expects(self.holds(tmp_path, text.encode()), "the file of the page is not in the store")
        client = BackendClient(self._made(tmp_path), tmp_path)
        if client.supports(Capability.MEDIA):
            kit_expects_same(client.media(run), [], "the media of kinds that the backend does not have")

    def test_media_behind_a_rewind_are_void(self, tmp_path: Path) -> None:
        """MEDIA with RESUME: media come back in order; those behind a rewind do not."""
        client = BackendClient(self._made(tmp_path), tmp_path)
        if not client.supports_media(MediaKind.TEXT) or not client.supports(Capability.RESUME):
            return
        handler = self._handler(tmp_path, self._made(tmp_path))
        handler.start_with({"rate": 0.5})
        handler.set_metric("loss", 0.5)
        for step in range(3):
            handler.log_text("note", f"at {step}", step=step)
        handler.rewind(1)
        handler.log_text("note", "at 2, again")
        run = handler.log().run
        handler.end()
        client = BackendClient(self._made(tmp_path), tmp_path)
        found = [(one.step, client.media_content(run, one.files[0]).decode()) for one in client.media(run)]
        kit_expects_same(
            found, [(0, "at 0"), (1, "at 1"), (2, "at 2, again")], "the media of the rewound run"
        )
