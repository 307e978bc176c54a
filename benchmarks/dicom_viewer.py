"""Whether a DICOM viewer draws our objects on the right place: dicom-microscopy-viewer in Chromium, over a drawn slide.

npm install dicom-microscopy-viewer dicomweb-client     (in a folder of its own; nothing of it is ours)
python -m benchmarks.dicom_viewer NODE_MODULES --out PICTURES

Serves a drawn DICOM slide, whose rows run against x and y, with the Segmentation and the Parametric Map of a drawn
result, as DICOMweb on this machine. Cells of a class are painted blue on the slide. For each segment it prints how much
of what the viewer coloured lies on those cells, and the other way round; pictures are kept to be looked at.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from app.exchange.dicom import render_dicom
from tests.dicoms import write_instance
from tests.results import make_result

WIDTH, HEIGHT, CELL = 2048, 1536, 128
CELLS = """
................
................
....000000......
....000000......
....000000......
....000000......
222.000000......
222.............
222.............
.............0..
................
................
"""
BLUE, GLASS = (40, 60, 200), 245
_KINDS = {".html": "text/html", ".js": "text/javascript; charset=utf-8", ".wasm": "application/wasm"}
PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<div id="v" style="width:1024px;height:768px"></div>
<script src="/npm/dicomweb-client/build/dicomweb-client.js"></script>
<script src="/npm/dicom-microscopy-viewer/dist/dicomMicroscopyViewer.bundle.min.js"></script>
<script>
(async () => {
  const library = await window.dicomMicroscopyViewer;
  const all = await (await fetch("/all")).json();
  const of = (name) => all.filter((one) => one["00080016"].Value[0] === name);
  const client = new DICOMwebClient.api.DICOMwebClient({ url: location.origin });
  const metadata = of("1.2.840.10008.5.1.4.1.1.77.1.6").map((one) =>
    new library.metadata.VLWholeSlideMicroscopyImage({ metadata: one }));
  window.viewer = new library.viewer.VolumeImageViewer({ client, metadata, controls: [] });
  viewer.render({ container: document.getElementById("v") });
  viewer.addSegments(
    of("1.2.840.10008.5.1.4.1.1.66.4").map((one) => new library.metadata.Segmentation({ metadata: one })));
  viewer.addParameterMappings(
    of("1.2.840.10008.5.1.4.1.1.30").map((one) => new library.metadata.ParametricMap({ metadata: one })));
  window.ready = true;
})();
</script>"""


def draw(folder: Path) -> None:
    """Two levels of a slide, and what we make of a result over it."""
    letters = np.array([list(line) for line in CELLS.split()])
    pixels = np.full((HEIGHT, WIDTH, 3), GLASS, np.uint8)
    pixels[np.kron(letters != ".", np.ones((CELL, CELL), bool))] = BLUE
    origin, light, kind, path = Dataset(), Dataset(), Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20.0, 40.0
    light.CodeValue, light.CodingSchemeDesignator, light.CodeMeaning = "111744", "DCM", "Brightfield illumination"
    path.OpticalPathIdentifier, path.IlluminationTypeCodeSequence = "1", [light]
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    for number, step in enumerate((1, 4)):
        more = {
            "TotalPixelMatrixOriginSequence": [origin],
            "ImageOrientationSlide": [0, -1, 0, -1, 0, 0],
            "OpticalPathSequence": [path],
            "TotalPixelMatrixFocalPlanes": 1,
            "ContainerIdentifier": "drawn",
            "SpecimenDescriptionSequence": [],
        }
        small = np.ascontiguousarray(pixels[::step, ::step])
        file = write_instance(
            folder / f"level{number}.dcm", small, instance=number + 1, mpp=0.5 * step, tile=256, **more
        )
        data = pydicom.dcmread(file)
        data.SharedFunctionalGroupsSequence[0].WholeSlideMicroscopyImageFrameTypeSequence = [kind]
        pydicom.dcmwrite(file, data, enforce_file_format=True)
    result = make_result(
        cells=CELLS, size_px=(WIDTH, HEIGHT), mpp=0.5, cell_px=CELL, metadata={"vendor": "dicom"}, file="level0.dcm"
    )
    for ending, content in render_dicom(result, folder / "level0.dcm").items():
        (folder / f"made{ending}").write_bytes(content)


def metadata_of(data: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(data.to_json(bulk_data_threshold=1 << 30))
    for tag in ("7FE00008", "7FE00010"):
        told.pop(tag, None)
    told["00020010"] = {"vr": "UI", "Value": [str(data.file_meta.TransferSyntaxUID)]}
    return told


def frame_of(data: Any, number: int) -> tuple[bytes, str]:
    count = int(data.NumberOfFrames)
    if data.file_meta.TransferSyntaxUID.is_compressed:
        return list(generate_frames(data.PixelData, number_of_frames=count))[number], "image/jpeg"
    pixels = data.Rows * data.Columns
    if "FloatPixelData" in data:
        return data.FloatPixelData[4 * number * pixels : 4 * (number + 1) * pixels], "application/octet-stream"
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    own = np.packbits(bits[number * pixels : (number + 1) * pixels], bitorder="little")
    return own.tobytes(), "application/octet-stream"


class Handler(BaseHTTPRequestHandler):
    """As much of DICOMweb as the viewer asks for."""

    protocol_version = "HTTP/1.1"

    def __init__(self, objects: dict[str, Any], library: Path, *arguments: Any) -> None:
        self.objects, self.library = objects, library
        super().__init__(*arguments)

    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if found := re.search(r"/instances/([\d.]+)/frames/(\d+)", path):
            content, kind = frame_of(self.objects[found[1]], int(found[2]) - 1)
            body = b"--B\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + content + b"\r\n--B--\r\n"
            self._tell(body, 'multipart/related; type="application/octet-stream"; boundary=B')
        elif path == "/all":
            self._tell(json.dumps([metadata_of(one) for one in self.objects.values()]).encode(), "application/json")
        elif path == "/":
            self._tell(PAGE.encode(), "text/html")
        else:
            dist = self.library / "dicom-microscopy-viewer" / "dist"
            name = path.removeprefix("/npm/")
            places = (self.library / name, dist / "dynamic-import" / Path(name).name, dist / Path(name).name)
            file = next((one for one in places if one.is_file()), None)
            if file is None:
                self._tell(b"", "text/plain", 404)
            else:
                self._tell(file.read_bytes(), _KINDS.get(file.suffix, "application/octet-stream"))

    def _tell(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def look(address: str, out: Path) -> None:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = browser.new_page(viewport={"width": 1024, "height": 768})
        page.goto(address)
        page.wait_for_function("window.ready")
        page.wait_for_timeout(5000)
        before = picture(page, out / "slide.png")
        blue = np.abs(before.astype(int) - BLUE).max(2) < 40
        cells = blue.copy()
        cells[:150, :200] = False  # the viewer's own overview lies there
        for kind, every in (("Segment", "getAllSegments"), ("ParameterMapping", "getAllParameterMappings")):
            for uid, label in page.evaluate(f"viewer.{every}().map((one) => [one.uid, one.label])"):
                page.evaluate(f"viewer.show{kind}({json.dumps(uid)})")
                page.wait_for_timeout(4000)
                after = picture(page, out / f"{kind}-{label.split()[0]}.png")
                page.evaluate(f"viewer.hide{kind}({json.dumps(uid)})")
                page.wait_for_timeout(500)
                if kind == "Segment":
                    coloured = np.abs(after.astype(int) - before).max(2) > 40
                    coloured[:150, :200] = False
                    on = (coloured & cells).sum() / max(1, coloured.sum())
                    print(f"{label}: {coloured.sum()} px coloured, {on:.2%} of them on painted cells")
        browser.close()


def picture(page: Any, file: Path) -> Any:
    content = page.screenshot(path=file)
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", type=Path, metavar="NODE_MODULES")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    draw(asked.out)
    read = (pydicom.dcmread(file) for file in sorted(asked.out.glob("*.dcm")))
    objects = {str(data.SOPInstanceUID): data for data in read if "NumberOfFrames" in data}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, objects, asked.library))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    look(f"http://127.0.0.1:{server.server_port}/", asked.out)
    server.shutdown()


if __name__ == "__main__":
    main()
