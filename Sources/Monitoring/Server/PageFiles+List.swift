extension PageFiles {
  /// By name. `Package.swift` lists them too.
  static let files: [String: [UInt8]] = [
    "app.js": PackageResources.app_js,
    "axis.js": PackageResources.axis_js,
    "chart.js": PackageResources.chart_js,
    "charts.js": PackageResources.charts_js,
    "charttable.js": PackageResources.charttable_js,
    "compare.js": PackageResources.compare_js,
    "connection.js": PackageResources.connection_js,
    "curves.js": PackageResources.curves_js,
    "dom.js": PackageResources.dom_js,
    "format.js": PackageResources.format_js,
    "index.html": PackageResources.index_html,
    "overview.js": PackageResources.overview_js,
    "painter.js": PackageResources.painter_js,
    "records.js": PackageResources.records_js,
    "series.js": PackageResources.series_js,
    "store.js": PackageResources.store_js,
    "style.css": PackageResources.style_css,
    "sweep.js": PackageResources.sweep_js,
    "table.js": PackageResources.table_js,
    "timeline.js": PackageResources.timeline_js,
    "topology.js": PackageResources.topology_js,
    "view.js": PackageResources.view_js,
    "workers.js": PackageResources.workers_js,
  ]
}
