/// Horizontal bars, each of parts that add up, as SVG.
package struct StackedBarChart: Sendable {
  package struct Bar: Sendable {
    package var label: String
    /// The parts' lengths. Values that are negative or not finite count as 0.
    package var parts: [Double]
    /// The text at the bar's end.
    package var total: String

    package init(_ label: String, _ parts: [Double], total: String) {
      (self.label, self.parts, self.total) = (label, parts, total)
    }
  }

  /// The accessible name.
  package var title: String
  /// The quantity, with its unit.
  package var axisTitle: String
  /// The parts' names, for the legend.
  package var parts: [String]
  /// From top to bottom.
  package var bars: [Bar]

  package init(_ title: String, axis: String, parts: [String], _ bars: [Bar]) {
    self.title = title
    axisTitle = axis
    (self.parts, self.bars) = (parts, bars)
  }

  /// The drawing, at least `minimumHeight` high. Its colours come from ``ChartStyle/styleSheet``.
  package func svg(width: Double = 560, minimumHeight: Double = 340) -> Markup {
    let legend = Legend(parts.enumerated().map { .area($1, color: $0) }, width: width - 20)
    let top = legend.height + 14
    let height = max(minimumHeight, top + 26 * Double(bars.count) + 44)
    let room = (height - 44 - top) / Double(max(bars.count, 1))
    let thickness = min(room * 0.68, 38)
    let labels = bars.map { shortened($0.label, to: 34) }
    let left = (labels.map { ChartStyle.width($0) }.max() ?? 0) + 18
    let totals = bars.map { ChartStyle.width($0.total) }.max() ?? 0
    let lengths = bars.map { $0.parts.map { $0.isFinite ? max($0, 0) : 0 } }
    let x = Axis(
      axisTitle, covering: lengths.map { $0.reduce(0, +) }, includesZero: true, isTight: true)
    let y = Axis("", covering: [])
    let right = width - totals - 16
    let frame = Frame(left: left, top: top, right: right, bottom: height - 44, x: x, y: y)
    func across(_ value: Double) -> Double { left + (x.position(value) ?? 0) * (right - left) }
    var marks: [Markup] = [legend.drawing(x: 10, y: 4)]
    for tick in x.ticks {
      marks.append(line("grid", across(tick.value), top, across(tick.value), frame.bottom))
      marks.append(text(tick.label, across(tick.value), frame.bottom + 17, anchor: "middle"))
    }
    marks.append(text(axisTitle, (left + right) / 2, frame.bottom + 36, anchor: "middle", class: "dim"))
    for (index, bar) in bars.enumerated() {
      let middle = top + room * (Double(index) + 0.5)
      marks.append(text(labels[index], left - 8, middle + 4, anchor: "end"))
      var start = 0.0
      for (part, length) in lengths[index].enumerated() where length > 0 {
        let end = start + length
        marks.append(
          rectangle(
            across(start), middle - thickness / 2, across(end) - across(start), thickness, color: part,
            title: "\(bar.label): \(part < parts.count ? parts[part] : "")"))
        start = end
      }
      marks.append(text(bar.total, across(start) + 6, middle + 4))
    }
    marks.append(line("axis", left, top, left, frame.bottom))
    return drawing(title, width: width, height: height, marks)
  }
}
