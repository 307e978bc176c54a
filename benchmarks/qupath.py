"""Whether QuPath's own code opens our project: its project file, its images, its classes, its annotations.

python -m benchmarks.qupath RESULTS --slides DIR --java JARS --openslide DIR [--picture FILE.png]

JARS is a class path: the `lib/app/*` of an installed QuPath, or its sources compiled (docs/exchange.md says of what);
`java` must be on the PATH, and be a JDK. Writes the project as `report --format qupath` does, lets QuPath find the
slides as its window would, and asks QuPath of each cell of each heatmap in which annotation the middle of it lies (of
its part, where it overhangs the picture). Prints what QuPath found, and how many cells it tells otherwise than the
store. The picture is what QuPath reads of the first slide, under the outlines that QuPath read, in the colours that
QuPath gives them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from aggregate import store
from aggregate.result import SlideResult
from aggregate.result_folder import result_path
from app.commands.report import write_reports
from app.presentation.words import class_title
from app.reports import Asked
from app.reports.geojson_report import WITHOUT_CALL, scanned_part

READER = """
import java.awt.*; import java.awt.image.BufferedImage; import java.io.*; import java.util.*; import java.util.List;
import qupath.lib.images.servers.*; import qupath.lib.images.servers.openslide.jna.OpenSlideLoader;
import qupath.lib.io.*; import qupath.lib.objects.*; import qupath.lib.projects.*; import qupath.lib.regions.*;
public class Reader {
  public static void main(String[] words) throws Exception {
    File file = new File(words[0]);
    OpenSlideLoader.tryToLoad(words[1]);
    System.out.println("openslide\\t" + OpenSlideLoader.getLibraryVersion());
    GsonTools.getDefaultBuilder().registerTypeAdapterFactory(ImageServers.getImageServerTypeAdapterFactory(true))
      .registerTypeAdapterFactory(ImageServers.getServerBuilderFactory());
    Project<BufferedImage> project = ProjectIO.loadProject(file, BufferedImage.class);
    var updater = UriUpdater.create(project.getImageList()).relative(project.getPreviousURI(), project.getURI());
    System.out.println("project\\t" + project.getImageList().size() + " images, " + updater.countMissing()
      + " not where they are said to be, of them found " + updater.countReplacements() + ", classes "
      + project.getPathClasses() + ", scripts " + project.getScripts().getNames());
    updater.applyReplacements();
    Scanner cells = new Scanner(new File(words[2]));
    for (var entry : project.getImageList()) {
      double cell = cells.nextDouble(), left = cells.nextDouble(), top = cells.nextDouble();
      double wide = cells.nextDouble(), high = cells.nextDouble();
      int rows = cells.nextInt(), columns = cells.nextInt();
      File regions = new File(file.getParentFile(), "regions/" + entry.getID() + ".geojson");
      List<PathObject> objects = PathIO.readObjects(regions);
      String image = "no image";
      try {
        var data = entry.readImageData();
        data.getHierarchy().addObjects(objects);
        var server = data.getServer();
        image = server.getServerType() + " " + server.getWidth() + " x " + server.getHeight() + ", "
          + data.getHierarchy().getAnnotationObjects().size() + " annotations, "
          + server.getPixelCalibration().getPixelWidth() + " " + server.getPixelCalibration().getPixelWidthUnit();
        if (words.length > 3 && entry.getID().equals("1")) paint(server, objects, new File(words[3]));
      } catch (Exception | LinkageError error) { image = "no image: " + error; }
      System.out.println("entry\\t" + entry.getImageName() + "\\t" + image + "\\t" + entry.getMetadataMap());
      for (int row = 0; row < rows; row++) {
        StringJoiner line = new StringJoiner("|", "cells\\t", "");
        for (int column = 0; column < columns; column++) {
          String name = "";
          for (var one : objects)
            if (one.getROI().contains(middle(left + column * cell, cell, wide), middle(top + row * cell, cell, high)))
              name += one.getPathClass().getName();
          line.add(name);
        }
        System.out.println(line);
      }
    }
  }
  static double middle(double from, double cell, double end) { return (from + Math.min(from + cell, end)) / 2; }
  static void paint(ImageServer<BufferedImage> server, List<PathObject> objects, File file) throws IOException {
    double down = Math.max(server.getWidth(), server.getHeight()) / 900.0;
    BufferedImage read = server.readRegion(RegionRequest.createInstance(server, down));
    BufferedImage picture = new BufferedImage(read.getWidth(), read.getHeight(), BufferedImage.TYPE_INT_RGB);
    Graphics2D pen = picture.createGraphics();
    pen.drawImage(read, 0, 0, null);
    pen.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    pen.scale(read.getWidth() / (double) server.getWidth(), read.getHeight() / (double) server.getHeight());
    pen.setStroke(new BasicStroke((float) (2 * down)));
    objects.sort(Comparator.comparingDouble((PathObject one) -> -one.getROI().getArea()));
    for (var one : objects) {
      Color colour = new Color(one.getPathClass().getColor());
      pen.setColor(new Color(colour.getRed(), colour.getGreen(), colour.getBlue(), 60));
      pen.fill(one.getROI().getShape());
      pen.setColor(colour);
      pen.draw(one.getROI().getShape());
    }
    javax.imageio.ImageIO.write(picture, "png", file);
  }
}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--slides", type=Path, required=True)
    parser.add_argument("--java", required=True, metavar="JARS", help="class path of QuPath")
    parser.add_argument("--openslide", type=Path, required=True, help="folder of libopenslide.so")
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_reports(asked.results, out, ["qupath"], asked=Asked(slides=(asked.slides,)))
        project = out / "qupath" / "project.qpproj"
        names = [image["imageName"] for image in json.loads(project.read_text())["images"]]
        stored = [store.load(result_path(asked.results, name)) for name in names]
        (out / "cells.txt").write_text("\n".join(_grid(one) for one in stored))
        (out / "Reader.java").write_text(READER)
        words = [project, asked.openslide, out / "cells.txt", *([asked.picture.absolute()] if asked.picture else [])]
        told = subprocess.run(
            ["java", f"-Djna.library.path={asked.openslide}", "-cp", asked.java, out / "Reader.java", *words],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return _compare(told, stored)


def _grid(result: SlideResult) -> str:
    """Cell, left and top of cell (0, 0) where QuPath counts from, width and height of what it shows, rows, columns."""
    x, y, width, height = scanned_part(result)
    left, top = result.heatmap.origin_px
    rows, columns = result.heatmap.call.shape
    return f"{result.heatmap.cell_px} {left - x} {top - y} {width} {height} {rows} {columns}"


def _compare(told: str, stored: list[SlideResult]) -> int:
    lines = [line.split("\t") for line in told.splitlines()]
    found: list[Any] = [line for line in lines if line[0] != "cells"]
    cells = iter(line[1].split("|") for line in lines if line[0] == "cells")
    for line in found:
        print(": ".join(line))
    wrong = 0
    for result in stored:
        call, tissue = result.heatmap.call, result.heatmap.tissue > 0
        names = np.array(["", *map(class_title, result.outputs)], object)[call]
        names[(call == 0) & tissue] = WITHOUT_CALL
        read = np.array([next(cells) for _ in range(len(call))], object)
        other = int((read != names).sum())
        print(f"{result.slide_id}: {names.size} cells, {(names != '').sum()} in a region, {other} told otherwise")
        wrong += other
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
