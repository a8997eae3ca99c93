/// Curves over two axes, as SVG. Curves that coincide are drawn as one, whose colours alternate.
package struct LineChart: Sendable {
  /// The accessible name.
  package var title: String
  package var xAxis: Axis
  package var yAxis: Axis
  package var series: [Series]
  /// Thin dotted reference curves. The legend has each label once.
  package var guides: [Series]
  /// Drawn below the curves.
  package var bands: [Band]

  package init(
    _ title: String, x: Axis, y: Axis, _ series: [Series], guides: [Series] = [], bands: [Band] = []
  ) {
    self.title = title
    (xAxis, yAxis) = (x, y)
    (self.series, self.guides, self.bands) = (series, guides, bands)
  }

  /// The drawing, which is higher if the legend has several rows. Its colours come from ``ChartStyle/styleSheet``.
  package func svg(width: Double = 560, height: Double = 340) -> Markup {
    let legend = Legend(entries, width: width - 20)
    let height = height + max(0, legend.height - Legend.rowHeight)
    let labels = yAxis.ticks.map { ChartStyle.width($0.label) }.max() ?? 0
    let frame = Frame(
      left: labels + 34, top: legend.height + 14, right: width - 18, bottom: height - 44, x: xAxis, y: yAxis)
    let parts =
      [legend.drawing(x: 10, y: 4)] + frame.grid() + bands.map { area($0, frame) }
      + guides.map { .element("path", ["class": "guide", "d": path($0.points, frame)]) } + curves(frame)
      + frame.axes()
    return drawing(title, width: width, height: height, parts)
  }

  private var entries: [Legend.Entry] {
    var names: Set<String> = []
    let guides = guides.filter { names.insert($0.label).inserted }
    return series.map { .curve($0) } + guides.map { .guide($0.label) }
  }

  /// The curves without axes.
  package func curves(_ frame: Frame) -> [Markup] {
    Series.coinciding(series).flatMap { group -> [Markup] in
      group.enumerated().flatMap { position, index in
        let one = series[index]
        let style = "stroke:\(ChartStyle.variable(one.color))" + one.line.style(position, of: group.count)
        var parts: [Markup] = [
          .element(
            "path",
            [
              "class": "curve", "stroke": ChartStyle.light(one.color), "style": style, "d": path(one.points, frame),
            ],
            [.element("title", [:], one.label)])
        ]
        let dots = one.points.compactMap(frame.place)
        // A single point has no line, so it needs a dot. A dot of several curves has no curve's colour.
        if (one.hasDots || dots.count == 1) && position == group.count - 1 {
          let style = group.count > 1 ? nil : "fill:\(ChartStyle.variable(one.color))"
          parts += dots.map { dot in
            .element(
              "circle",
              [
                "class": group.count > 1 ? "shared" : nil, "cx": coordinate(dot.x), "cy": coordinate(dot.y), "r": "3.5",
                "fill": ChartStyle.light(one.color), "style": style,
              ])
          }
        }
        return parts
      }
    }
  }

  private func area(_ band: Band, _ frame: Frame) -> Markup {
    let outline = (band.upper + band.lower.reversed()).compactMap(frame.place)
    let path = outline.enumerated().map { "\($0 == 0 ? "M" : "L")\(coordinate($1.x)) \(coordinate($1.y))" }.joined()
    return .element(
      "path",
      [
        "class": "band", "fill": ChartStyle.light(band.color), "style": "fill:\(ChartStyle.variable(band.color))",
        "d": path.isEmpty ? "M0 0" : path + "Z",
      ])
  }

  private func path(_ points: [Point], _ frame: Frame) -> String {
    var path = ""
    var last: Point?
    for point in points {
      guard let place = frame.place(point) else {
        last = nil
        continue
      }
      // A quarter of a pixel is invisible.
      if let last, abs(place.x - last.x) + abs(place.y - last.y) < 0.25 { continue }
      path += "\(last == nil ? "M" : "L")\(coordinate(place.x)) \(coordinate(place.y))"
      last = place
    }
    return path.isEmpty ? "M0 0" : path
  }
}

/// An SVG element with its accessible name.
package func drawing(_ title: String, width: Double, height: Double, _ parts: [Markup]) -> Markup {
  .element(
    "svg",
    [
      "xmlns": "http://www.w3.org/2000/svg", "class": "chart", "role": "img", "aria-label": title,
      "viewBox": "0 0 \(coordinate(width)) \(coordinate(height))",
    ],
    parts)
}

/// The area of a chart in which values are drawn, in pixels.
package struct Frame {
  var left: Double
  var top: Double
  var right: Double
  var bottom: Double
  var x: Axis
  var y: Axis

  package init(left: Double, top: Double, right: Double, bottom: Double, x: Axis, y: Axis) {
    (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
    (self.x, self.y) = (x, y)
  }

  /// The position of `point` in pixels; nil if it has none. A point farther than a hundred frames is moved nearer in
  /// the same direction: viewers take long to draw the dashes of a very long line.
  package func place(_ point: Point) -> Point? {
    guard let across = x.position(point.x), let up = y.position(point.y) else { return nil }
    let far = max(1, abs(across) / 100, abs(up) / 100)
    return Point(left + across / far * (right - left), bottom - up / far * (bottom - top))
  }

  /// Grid lines, tick labels and axis titles.
  package func grid() -> [Markup] {
    var parts: [Markup] = []
    for tick in y.ticks {
      let up = bottom - (y.position(tick.value) ?? 0) * (bottom - top)
      parts.append(line("grid", left, up, right, up))
      parts.append(text(tick.label, left - 7, up + 4, anchor: "end"))
    }
    for tick in x.ticks {
      let across = left + (x.position(tick.value) ?? 0) * (right - left)
      parts.append(line("grid", across, top, across, bottom))
      parts.append(text(tick.label, across, bottom + 17, anchor: "middle"))
    }
    parts.append(text(x.title, (left + right) / 2, bottom + 36, anchor: "middle", class: "dim"))
    let middle = coordinate((top + bottom) / 2)
    parts.append(
      .element(
        "text", ["class": "dim", "text-anchor": "middle", "transform": "translate(15 \(middle)) rotate(-90)"], y.title))
    return parts
  }

  package func axes() -> [Markup] {
    [line("axis", left, bottom, right, bottom), line("axis", left, top, left, bottom)]
  }
}

func line(_ style: String, _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> Markup {
  .element(
    "line",
    ["class": style, "x1": coordinate(x1), "y1": coordinate(y1), "x2": coordinate(x2), "y2": coordinate(y2)])
}

package func text(
  _ text: String, _ x: Double, _ y: Double, anchor: String = "start", class style: String? = nil
) -> Markup {
  .element("text", ["class": style, "x": coordinate(x), "y": coordinate(y), "text-anchor": anchor], text)
}

/// The labels and samples above a chart, in as many rows as they need.
package struct Legend {
  package enum Entry {
    case curve(Series)
    case guide(String)
    case area(String, color: Int)

    var label: String {
      switch self {
      case .curve(let series): series.label
      case .guide(let label), .area(let label, _): label
      }
    }
  }

  package static let rowHeight = 18.0

  private let placed: [(entry: Entry, label: String, x: Double, row: Int)]
  /// In pixels.
  package let height: Double

  package init(_ entries: [Entry], width: Double) {
    let labels = entries.map { shortened($0.label, to: 48) }
    let lengths = labels.map { 30 + ChartStyle.width($0) + 12 }
    let longest = lengths.max() ?? 1
    // In columns, unless all fit in one row.
    let columns = lengths.reduce(0, +) <= width + 12 ? max(entries.count, 1) : max(1, Int((width + 12) / longest))
    let isOneRow = columns >= entries.count
    placed = entries.indices.map { index in
      let x = isOneRow ? lengths[..<index].reduce(0, +) : Double(index % columns) * longest
      return (entries[index], labels[index], x, index / columns)
    }
    height = Double((entries.count + columns - 1) / columns) * Legend.rowHeight
  }

  package func drawing(x: Double, y: Double) -> Markup {
    .element(
      "g", ["transform": "translate(\(coordinate(x)) \(coordinate(y)))"],
      placed.flatMap { item -> [Markup] in
        let middle = (Double(item.row) + 0.5) * Legend.rowHeight
        var sample: Markup
        switch item.entry {
        case .curve(let series):
          sample = .element(
            "line",
            [
              "style": "stroke:\(ChartStyle.variable(series.color));stroke-width:3\(series.line.style())",
              "x1": coordinate(item.x),
              "x2": coordinate(item.x + 22), "y1": coordinate(middle), "y2": coordinate(middle),
            ])
        case .guide: sample = line("guide", item.x, middle, item.x + 22, middle)
        case .area(_, let color):
          sample = rectangle(item.x + 6, middle - 6, 12, 12, color: color)
        }
        return [sample, text(item.label, item.x + 28, middle + 4)]
      })
  }
}

func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, color: Int, title: String? = nil) -> Markup
{
  .element(
    "rect",
    [
      "x": coordinate(x), "y": coordinate(y), "width": coordinate(width), "height": coordinate(height),
      "style": "fill:\(ChartStyle.variable(color))",
    ], title.map { [.element("title", [:], $0)] } ?? [])
}
