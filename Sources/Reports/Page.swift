internal import Cluster

/// A self-contained page: a report to read or print. Also well-formed XML.
struct Page {
  private let title: String
  private let body: [Markup]

  init(_ title: String, _ body: [Markup]) { (self.title, self.body) = (title, body) }

  var html: String {
    let head = Markup.element(
      "head", [:],
      [
        .element("meta", ["charset": "utf-8"]),
        .element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
        .element("title", [:], title),
        .element("style", [:], [Markup(source: ChartStyle.styleSheet + Page.styleSheet)]),
      ])
    let body = Markup.element("body", [:], [.element("main", [:], body)])
    return "<!DOCTYPE html>\n" + Markup.element("html", ["lang": "en"], [head, body]).description + "\n"
  }

  static func byline(_ provenance: Provenance) -> Markup {
    .element(
      "p", ["class": "byline"],
      "Lockstep \(provenance.version) · \(provenance.dateText) · \(count(provenance.machine.cores, "core")) of "
        + "\(provenance.machine.processor) · \(provenance.machine.system)")
  }

  static func table(_ table: ComparisonTable) -> [Markup] {
    func kind(_ column: Int) -> String? { table.columns[column].isText ? "text" : nil }
    let head = table.columns.indices.map { column in
      Markup.element(
        "th", ["scope": "col", "class": kind(column)], ComparisonTable.plain(table.columns[column].title))
    }
    let rows = table.rows.map { row in
      Markup.element(
        "tr", [:],
        row.enumerated().map { column, text in
          let isBad = column == row.count - 1 && ["NO", "failed", "not run"].contains(text)
          return .element("td", ["class": isBad ? "bad" : kind(column)], text)
        })
    }
    let parts = [Markup.element("thead", [:], [.element("tr", [:], head)]), .element("tbody", [:], rows)]
    let failures = table.failures.map { Markup.element("p", ["class": "bad"], $0) }
    return [.element("div", ["class": "scroll"], [.element("table", [:], parts)])] + failures
      + [.element("p", ["class": "note"], table.notes.joined(separator: " "))]
  }

  static func figure(_ drawing: Markup, _ title: String, _ caption: String) -> Markup {
    .element(
      "figure", [:],
      [
        drawing,
        .element("figcaption", [:], [.element("b", [:], title + ". "), .text(caption)]),
      ])
  }

  private static let styleSheet = """
    :root{--page:#fff;--ink:#1b1f24;--dim:#59636e;--rule:#d5dae0;--good:#1a7f4b;--bad:#c0352b;--soft:#f5f7f9}
    @media (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e6e9ed;--dim:#a3adb8;--rule:#343b43;--good:#46c485;--bad:#ff7b70;--soft:#1c2127}}
    @media print{:root{--page:#fff;--ink:#1b1f24;--dim:#59636e;--rule:#d5dae0;--good:#1a7f4b;--bad:#c0352b;--soft:#fff}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
    main{max-width:1220px;margin:0 auto;padding:28px 24px 56px}
    h1{font-size:28px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
    h2{font-size:18px;margin:0 0 8px}
    .byline{margin:0 0 20px;color:var(--dim);font-size:14px}
    .verdict{border-left:4px solid var(--good);background:var(--soft);padding:10px 16px;margin:0 0 24px}
    .verdict.bad{border-color:var(--bad);color:inherit}
    .verdict p{margin:3px 0;overflow-wrap:anywhere}
    .scroll{overflow-x:auto}
    table{border-collapse:collapse;width:100%;font-size:15px;font-variant-numeric:tabular-nums}
    th,td{padding:6px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
    th{font-weight:600;vertical-align:bottom;border-bottom:2px solid var(--dim);white-space:normal}
    th.text,td.text{text-align:left}
    .bad{color:var(--bad);overflow-wrap:anywhere}
    td.bad{font-weight:700}
    p.bad{margin:8px 0}
    .note,figcaption{color:var(--dim);font-size:13px;line-height:1.45;overflow-wrap:anywhere}
    figcaption b{color:var(--ink)}
    .note{margin:8px 0 28px;max-width:100ch}
    .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:32px 40px;margin-bottom:32px}
    figure{margin:0}
    figcaption{margin-top:6px}
    dl{margin:0;font-size:14px;columns:2;column-gap:32px}
    dl div{display:flex;justify-content:space-between;gap:12px;border-bottom:1px solid var(--rule);padding:4px 0;break-inside:avoid}
    dt{color:var(--dim)}
    dd{margin:0;text-align:right;overflow-wrap:anywhere}
    pre{margin:0 0 12px;padding:12px 16px;background:var(--soft);border:1px solid var(--rule);white-space:pre-wrap;overflow-wrap:anywhere;font-size:14px}
    @media (max-width:700px){main{padding:16px 14px 40px}dl{columns:1}}
    @media print{main{max-width:none;padding:0}figure,.details,tr{break-inside:avoid}.scroll{overflow:visible}table{font-size:10px}th,td{padding:3px 5px;white-space:normal}}

    """
}
