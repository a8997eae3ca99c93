/// The colours of charts, on light and dark pages.
package enum ChartStyle {
  /// Colours that people with any kind of colour vision tell apart on white and on near-black (after M. Okabe and
  /// K. Ito, *Color Universal Design*, 2008): light, dark, and the nearest of a terminal's 256.
  static let colors: [(light: String, dark: String, terminal: Int)] = [
    ("#0072b2", "#4aa8e0", 32), ("#d55e00", "#f28443", 166), ("#009e73", "#2fc79b", 36),
    ("#b0578d", "#dd8fbd", 175), ("#d99000", "#f0b63a", 214), ("#3fa3d9", "#8fd0f5", 74), ("#555f69", "#b4bdc6", 245),
  ]

  /// A page's style sheet must contain this, so that its charts have colours.
  package static var styleSheet: String {
    func variables(_ colors: [String], _ rest: String) -> String {
      colors.enumerated().map { "--chart-\($0):\($1);" }.joined() + rest
    }
    let light = variables(
      colors.map(\.light), "--chart-ink:#1b1f24;--chart-dim:#59636e;--chart-grid:#e4e7eb;--chart-paper:#fff;")
    let dark = variables(
      colors.map(\.dark), "--chart-ink:#e6e9ed;--chart-dim:#a3adb8;--chart-grid:#30363d;--chart-paper:#14181d;")
    return """
      :root{color-scheme:light dark;\(light)}
      @media (prefers-color-scheme:dark){:root{\(dark)}}
      @media print{:root{\(light)}}
      .chart{display:block;width:100%;height:auto;font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
      .chart text{fill:var(--chart-ink);font-variant-numeric:tabular-nums}
      .chart .dim{fill:var(--chart-dim)}
      .chart .grid{stroke:var(--chart-grid);stroke-width:1}
      .chart .axis{stroke:var(--chart-dim);stroke-width:1;fill:none}
      .chart .curve{fill:none;stroke-width:2;stroke-linejoin:round}
      .chart .shared{fill:var(--chart-paper);stroke:var(--chart-ink);stroke-width:1.5}
      .chart .band{opacity:.18;stroke:none}
      .chart .guide{fill:none;stroke:var(--chart-dim);stroke-width:1.25;stroke-dasharray:2 4}

      """
  }

  /// For viewers without style sheets.
  static func light(_ color: Int) -> String { colors[color % colors.count].light }

  static func variable(_ color: Int) -> String { "var(--chart-\(color % colors.count))" }

  /// The approximate width of `text` at a font size of 12 pixels.
  static func width(_ text: String) -> Double {
    text.reduce(0) { $0 + ("mwMW@—".contains($1) ? 10.5 : 6.7) }
  }
}
