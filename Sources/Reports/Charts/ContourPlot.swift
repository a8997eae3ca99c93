/// Paths over the level curves of a function of two variables, with a table of the paths beside them: one SVG document
/// that needs nothing else. Paths are cut at the plot's sides.
package struct ContourPlot: Sendable {
  /// A path, and its row of the table.
  package struct Path: Sendable {
    /// Its points in their order, and how it is drawn.
    package var series: Series
    /// What stands in the table beside the name, a text a column.
    package var cells: [String]
    /// Whether it goes to infinity.
    package var diverges: Bool

    /// A path.
    package init(_ series: Series, cells: [String], diverges: Bool = false) {
      self.series = series
      self.cells = cells
      self.diverges = diverges
    }
  }

  /// Stands above it.
  package var title: String
  /// Below the title, smaller.
  package var subtitle: String
  /// Across; tight.
  package var xAxis: Axis
  /// Up; tight.
  package var yAxis: Axis
  /// The function.
  package var field: LevelField
  /// Which of its level curves are drawn, in ascending order.
  package var levels: [Double]
  /// Where the paths begin; a square.
  package var start: Point
  /// The function's minimum; a star.
  package var minimum: Point
  /// The first on top.
  package var paths: [Path]
  /// The titles of the table's columns, the names' first.
  package var columns: [String]
  /// Below the table, a line each.
  package var notes: [String]

  /// A plot.
  package init(
    _ title: String, subtitle: String, x: Axis, y: Axis, _ field: LevelField, levels: [Double], start: Point,
    minimum: Point, columns: [String], notes: [String], _ paths: [Path]
  ) {
    (self.title, self.subtitle) = (title, subtitle)
    (xAxis, yAxis) = (x, y)
    (self.field, self.levels) = (field, levels)
    (self.start, self.minimum) = (start, minimum)
    (self.columns, self.notes) = (columns, notes)
    self.paths = paths
  }

  /// The document. The plot itself is `side` wide and high.
  ///
  /// Colours follow the reader's light or dark scheme; programs that know no style sheets get the light ones.
  package func svg(side: Double = 560) -> String {
    let labels = yAxis.ticks.map { ChartStyle.width($0.label) }.max() ?? 0
    let left = labels + 40
    let frame = Frame(left: left, top: 64, right: left + side, bottom: 64 + side, x: xAxis, y: yAxis)
    let table = TraceTable(self, x: frame.right + 28, y: frame.top)
    let (width, height) = (table.right + 20, max(frame.bottom + 50, table.bottom + 16))
    let parts: [Markup] = [
      .element("style", [:], [Markup(source: "\n" + ChartStyle.styleSheet + style(width))]),
      .element(
        "rect", ["width": coordinate(width), "height": coordinate(height), "fill": "#fff", "class": "paper"]),
      .element("text", ["class": "title", "x": coordinate(left), "y": "26", "font-size": "17"], title),
      text(subtitle, left, 48, class: "dim"),
    ]
    let content =
      parts + contours(frame) + frame.grid(width: width, height: height, hasLines: false)
      + curves(frame) + [square(frame.place(start))]
      + ends(frame) + [star(frame.place(minimum)), box(frame)] + table.drawing
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      \(drawing("\(title). \(subtitle)", width: width, height: height, isDocument: true, content))

      """
  }

  private func style(_ width: Double) -> String {
    """
    svg.chart{width:\(coordinate(width))px;max-width:100%;background:var(--chart-paper)}
    .chart .paper{fill:var(--chart-paper)}
    .chart .title{font-size:17px;font-weight:600}
    .chart .head{font-weight:600}
    .chart .level{fill:var(--chart-ink);fill-opacity:.026;stroke:var(--chart-ink);stroke-opacity:.28;stroke-width:.7}
    .chart .height{font-size:9.5px;fill:var(--chart-dim);paint-order:stroke;stroke:var(--chart-paper);stroke-width:2.5px;stroke-opacity:.8}
    .chart .halo{stroke:var(--chart-paper);stroke-width:4;stroke-opacity:.65;fill:none;stroke-linejoin:round}
    .chart .name{font-weight:600;paint-order:stroke;stroke:var(--chart-paper);stroke-width:3.5px}
    .chart .mark{fill:var(--chart-paper);stroke:var(--chart-ink);stroke-width:1.5}
    .chart .star{fill:none;stroke:var(--chart-ink);stroke-width:1.5;stroke-linejoin:round}
    .chart .end{stroke:var(--chart-paper);stroke-width:1.5}
    .chart .box{fill:none;stroke:var(--chart-dim)}

    """
  }

  private func box(_ frame: Frame) -> Markup {
    .element(
      "rect",
      [
        "class": "box", "x": coordinate(frame.left), "y": coordinate(frame.top),
        "width": coordinate(frame.right - frame.left), "height": coordinate(frame.bottom - frame.top), "fill": "none",
        "stroke": "#59636e",
      ])
  }

  /// The regions below the levels, over each other, so that it is darkest at the bottom; and how high they are.
  private func contours(_ frame: Frame) -> [Markup] {
    let regions = levels.reversed().map { level in
      Markup.element(
        "path",
        [
          "class": "level", "fill": "#1b1f24", "fill-opacity": ".026", "fill-rule": "evenodd", "stroke": "#1b1f24",
          "stroke-opacity": ".28", "stroke-width": ".7",
          "d": field.region(below: level).map { outline($0.compactMap(frame.place)) }.joined(),
        ])
    }
    var placed = [minimum, start].compactMap(frame.place)
    let heights = levels.compactMap { level -> Markup? in
      let places = field.curves(at: level).max { $0.count < $1.count }.map { $0.compactMap(frame.place) } ?? []
      // Each where the others and the sides leave room.
      let free = places.first { place in
        place.x > frame.left + 24 && place.x < frame.right - 24 && place.y > frame.top + 16
          && place.y < frame.bottom - 16 && placed.allSatisfy { abs($0.x - place.x) > 44 || abs($0.y - place.y) > 22 }
      }
      guard let free else { return nil }
      placed.append(free)
      return .element(
        "text",
        [
          "class": "height", "x": coordinate(free.x), "y": coordinate(free.y + 3), "text-anchor": "middle",
          "font-size": "9.5",
        ], Axis.label(level, step: level))
    }
    return regions + heights
  }

  /// The paths, the last one first. Equal ones share their line in turns.
  private func curves(_ frame: Frame) -> [Markup] {
    Series.coinciding(paths.map(\.series)).reversed().flatMap { group in
      group.enumerated().flatMap { position, index in
        curve(paths[index], frame, position, of: group.count)
      }
    }
  }

  private func curve(_ path: Path, _ frame: Frame, _ position: Int, of count: Int) -> [Markup] {
    let pieces = frame.pieces(path.series.points).map { outline($0) }.joined()
    guard !pieces.isEmpty else { return [] }
    let color = path.series.color
    let halo = Markup.element(
      "path",
      ["class": "halo", "d": pieces, "fill": "none", "stroke": "#fff", "stroke-width": "4", "stroke-opacity": ".65"])
    let line = Markup.element(
      "path",
      [
        "class": "curve", "d": pieces, "fill": "none", "stroke": ChartStyle.light(color), "stroke-width": "1.75",
        "style": "stroke-width:1.75;stroke:\(ChartStyle.variable(color))" + path.series.line.style(position, of: count),
      ],
      [.element("title", [:], path.series.label)])
    return position == 0 ? [halo, line] : [line]
  }

  /// A dot where a path ends, an arrow where it leaves the plot for good, its name where it goes to infinity.
  private func ends(_ frame: Frame) -> [Markup] {
    var names: [Point] = []
    return paths.reversed().flatMap { path -> [Markup] in
      let color = path.series.color
      let paint = "fill:\(ChartStyle.variable(color))"
      guard let last = path.series.points.last else { return [] }
      if !path.diverges, let place = frame.place(last), frame.contains(place) {
        return [
          .element(
            "circle",
            [
              "class": "end", "cx": coordinate(place.x), "cy": coordinate(place.y), "r": "4.5", "style": paint,
              "fill": ChartStyle.light(color), "stroke": "#fff",
            ], [.element("title", [:], path.series.label)])
        ]
      }
      guard let piece = frame.pieces(path.series.points).last, piece.count > 1 else { return [] }
      let (tip, before) = (piece[piece.count - 1], piece[piece.count - 2])
      let length = max(
        ((tip.x - before.x) * (tip.x - before.x) + (tip.y - before.y) * (tip.y - before.y)).squareRoot(), 1e-9)
      let (dx, dy) = ((tip.x - before.x) / length, (tip.y - before.y) / length)
      let arrow = [
        tip, Point(tip.x - 11 * dx - 5 * dy, tip.y - 11 * dy + 5 * dx),
        Point(tip.x - 11 * dx + 5 * dy, tip.y - 11 * dy - 5 * dx),
      ]
      var marks: [Markup] = [
        .element(
          "path",
          [
            "class": "end", "d": outline(arrow) + "Z", "style": paint, "fill": ChartStyle.light(color),
            "stroke": "#fff",
          ])
      ]
      if path.diverges {
        let name = "\(shortened(path.series.label, to: 24)) → ∞"
        let room = 1.15 * ChartStyle.width(name) / 2 + 8
        var place = Point(
          min(max(tip.x - 26 * dx, frame.left + room), frame.right - room),
          min(max(tip.y - 26 * dy - 10, frame.top + 20), frame.bottom - 10))
        // Names that would lie on each other move towards the middle, past it if need be.
        let down = place.y < (frame.top + frame.bottom) / 2 ? 15.0 : -15
        while frame.contains(place),
          names.contains(where: { abs($0.x - place.x) < 2 * room && abs($0.y - place.y) < 14 })
        {
          place.y += down
        }
        names.append(place)
        marks.append(
          .element(
            "text",
            [
              "class": "name", "x": coordinate(place.x), "y": coordinate(place.y), "text-anchor": "middle",
              "style": paint,
            ],
            name))
      }
      return marks
    }
  }

  private func star(_ place: Point?) -> Markup {
    guard let place else { return Markup(source: "") }
    return ContourPlot.star(place.x, place.y)
  }

  private func square(_ place: Point?) -> Markup {
    guard let place else { return Markup(source: "") }
    return ContourPlot.square(place.x, place.y)
  }

  fileprivate static func star(_ x: Double, _ y: Double) -> Markup {
    // The corners of a pentagram of radius 10, from the top.
    let outer: [(Double, Double)] = [(0, -10), (9.51, -3.09), (5.88, 8.09), (-5.88, 8.09), (-9.51, -3.09)]
    let inner: [(Double, Double)] = [(2.25, -3.09), (3.63, 1.18), (0, 3.82), (-3.63, 1.18), (-2.25, -3.09)]
    let corners = zip(outer, inner).flatMap { [$0, $1] }.map { Point(x + $0.0, y + $0.1) }
    let outline = outline(corners) + "Z"
    return .element(
      "g", [:],
      [
        .element(
          "path", ["class": "halo", "d": outline, "fill": "none", "stroke": "#fff", "stroke-width": "4"]),
        .element(
          "path", ["class": "star", "d": outline, "fill": "none", "stroke": "#1b1f24", "stroke-width": "1.5"]),
      ])
  }

  fileprivate static func square(_ x: Double, _ y: Double) -> Markup {
    .element(
      "rect",
      [
        "class": "mark", "x": coordinate(x - 4.5), "y": coordinate(y - 4.5), "width": "9", "height": "9",
        "fill": "#fff", "stroke": "#1b1f24", "stroke-width": "1.5",
      ])
  }
}

/// The table beside the plot: a path a row, and what the marks mean.
private struct TraceTable {
  let drawing: [Markup]
  let right: Double
  let bottom: Double

  init(_ plot: ContourPlot, x: Double, y: Double) {
    let names = [plot.columns.first ?? ""] + plot.paths.map { shortened($0.series.label, to: 28) }
    let cells = [Array(plot.columns.dropFirst())] + plot.paths.map(\.cells)
    let count = cells.map(\.count).max() ?? 0
    var edges = [x + 34 + (names.map { ChartStyle.width($0) }.max() ?? 0)]
    for column in 0..<count {
      let width = cells.map { column < $0.count ? ChartStyle.width($0[column]) : 0 }.max() ?? 0
      edges.append(edges[column] + (column == 0 ? 24 : 14) + width)
    }
    var marks: [Markup] = []
    let rowHeight = 21.0
    for row in names.indices {
      let baseline = y + 14 + rowHeight * Double(row)
      let style = row == 0 ? "head" : nil
      marks.append(text(names[row], x + 34, baseline, class: style))
      for (column, cell) in cells[row].enumerated() {
        marks.append(text(cell, edges[column + 1], baseline, anchor: "end", class: style))
      }
      guard row > 0 else { continue }
      let series = plot.paths[row - 1].series
      marks.append(
        .element(
          "line",
          [
            "x1": coordinate(x), "x2": coordinate(x + 26), "y1": coordinate(baseline - 4),
            "y2": coordinate(baseline - 4),
            "stroke": ChartStyle.light(series.color), "stroke-width": "2.5",
            "style": "stroke:\(ChartStyle.variable(series.color))" + series.line.style(),
          ]))
    }
    var below = y + 14 + rowHeight * Double(names.count) + 12
    let widest = (plot.notes.map { ChartStyle.width($0) * 0.92 }.max() ?? 0) + 26
    right = max(edges[edges.count - 1], x + widest)
    marks.append(line("grid", x, y + 20, right, y + 20))
    for (index, note) in plot.notes.enumerated() {
      // The first notes are of the square and the star.
      if index == 0 { marks.append(ContourPlot.square(x + 10, below - 4)) }
      if index == 1 { marks.append(ContourPlot.star(x + 10, below - 4)) }
      marks.append(text(note, x + 26, below, class: "dim"))
      below += 20
    }
    drawing = marks
    bottom = below - 12
  }
}

extension Frame {
  fileprivate func contains(_ place: Point) -> Bool {
    (left - 0.01...right + 0.01).contains(place.x) && (top - 0.01...bottom + 0.01).contains(place.y)
  }

  /// What of a path lies within the frame, in pieces; places closer than a quarter of a pixel are taken as one.
  func pieces(_ points: [Point]) -> [[Point]] {
    var pieces: [[Point]] = []
    var last: Point?
    for point in points {
      let next = place(point)
      defer { last = next }
      guard let last, let next else { continue }
      guard let (from, to) = within(last, next) else { continue }
      if let end = pieces.last?.last, end == from {
        pieces[pieces.count - 1].append(to)
      } else {
        pieces.append([from, to])
      }
    }
    return pieces.map(thinned)
  }

  private func thinned(_ points: [Point]) -> [Point] {
    var kept: [Point] = []
    for (index, point) in points.enumerated() {
      if let last = kept.last, index < points.count - 1, abs(last.x - point.x) + abs(last.y - point.y) < 0.25 {
        continue
      }
      kept.append(point)
    }
    return kept
  }

  /// What of a straight line lies within the frame (Y.-D. Liang & B. A. Barsky, ACM Transactions on Graphics, 1984).
  private func within(_ from: Point, _ to: Point) -> (Point, Point)? {
    let (dx, dy) = (to.x - from.x, to.y - from.y)
    var (enter, leave) = (0.0, 1.0)
    for (speed, room) in [(-dx, from.x - left), (dx, right - from.x), (-dy, from.y - top), (dy, bottom - from.y)] {
      if speed == 0 {
        if room < 0 { return nil }
      } else if speed < 0 {
        enter = max(enter, room / speed)
      } else {
        leave = min(leave, room / speed)
      }
    }
    guard enter <= leave else { return nil }
    return (
      enter == 0 ? from : Point(from.x + enter * dx, from.y + enter * dy),
      leave == 1 ? to : Point(from.x + leave * dx, from.y + leave * dy)
    )
  }
}

private func outline(_ points: [Point]) -> String {
  points.enumerated().map { "\($0 == 0 ? "M" : "L")\(coordinate($1.x)) \(coordinate($1.y))" }.joined()
}
