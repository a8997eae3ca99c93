internal import Foundation
internal import Reports
internal import Runs

/// What can be seen on the page: a run, or a sweep.
enum Source {
  case run(RunFeed)
  case sweep(SweepFeed)

  func poll() {
    switch self {
    case .run(let feed): feed.poll()
    case .sweep(let feed): feed.poll()
    }
  }

  var path: String {
    switch self {
    case .run(let feed): feed.path
    case .sweep(let feed): feed.path
    }
  }
}

/// What the server answers, without its connections: the page, its data, and metrics for Prometheus.
struct Site {
  enum Answer {
    case response(Response)
    /// A stream of events to one who has read so far.
    case events(Positions)
  }

  /// What `/healthz`, `/readyz` and `/metrics` say is all there is.
  let hasPage: Bool
  let command: String
  let version: String
  private(set) var sources: [(name: String, source: Source)] = []

  init(hasPage: Bool, command: String, version: String) {
    (self.hasPage, self.command, self.version) = (hasPage, command, version)
  }

  /// Shows `source` under the last part of its path, or under the whole one where that is taken.
  mutating func add(_ source: Source) {
    let last = URL(fileURLWithPath: source.path).lastPathComponent
    let names = [last, source.path] + (2...sources.count + 2).map { "\(source.path) (\($0))" }
    let free = names.first { name in !sources.contains { $0.name == name } }
    sources.append((free ?? source.path, source))
  }

  static let pageHeaders = [
    "Content-Security-Policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store",
  ]

  func answer(_ request: Request, at now: Double) -> Answer {
    do {
      switch request.path {
      case "/healthz": return .response(health(at: now))
      case "/readyz": return .response(readiness)
      case "/metrics": return .response(metrics(request.headers["accept"] ?? "", at: now))
      case _ where !hasPage: return .response(Response(404, "there is nothing here but /metrics, /healthz and /readyz"))
      case "/api/runs": return .response(Response(json: runsJSON))
      case "/api/events":
        return .events(Positions(request.headers["last-event-id"] ?? request.query["at"] ?? ""))
      case _ where request.path.hasPrefix("/api/runs/"): return .response(try run(request))
      default:
        return .response(
          PageFiles.response(request.path) ?? Response(404, "there is no such page: the run is shown at /"))
      }
    } catch {
      return .response(Response(500, "\(error)"))
    }
  }

  private var runsJSON: String {
    let runs = sources.enumerated().map { index, entry in
      let kind = if case .run = entry.source { "run" } else { "sweep" }
      return
        "{\"id\":\"\(index)\",\"name\":\(quoted(entry.name)),\"path\":\(quoted(entry.source.path)),\"kind\":\"\(kind)\"}"
    }
    return
      "{\"program\":\(quoted("lockstep \(version)")),\"command\":\(quoted(command)),\"runs\":[\(runs.joined(separator: ","))]}"
  }

  /// - Throws: an error of encoding.
  private func run(_ request: Request) throws -> Response {
    let parts = request.path.dropFirst("/api/runs/".count).split(separator: "/", omittingEmptySubsequences: false)
    guard let first = parts.first, let index = Int(first), sources.indices.contains(index) else {
      return Response(404, "there is no such run; /api/runs lists them")
    }
    let id = "\(index)"
    switch (sources[index].source, parts.dropFirst().first) {
    case (.run(let feed), nil): return Response(json: try feed.json(id: id, name: sources[index].name))
    case (.sweep(let feed), nil): return Response(json: try feed.json(id: id, name: sources[index].name))
    case (.run(let feed), "curves") where parts.count == 2:
      func number(_ key: String, _ fallback: Int) -> Int? { request.query[key].map { Int($0) } ?? fallback }
      guard let points = number("points", 1500), (1...5000).contains(points) else {
        return Response(400, "points: a number from 1 to 5000 is needed")
      }
      guard let from = number("from", 0), let to = number("to", Int.max), from <= to else {
        return Response(400, "from and to: steps are needed, in order")
      }
      return Response(json: feed.curvesJSON(from...to, points: points))
    default: return Response(404, "there is no such thing of this run")
    }
  }

  private var feeds: [(name: String, feed: RunFeed)] {
    sources.compactMap { entry in
      guard case .run(let feed) = entry.source else { return nil }
      return (entry.name, feed)
    }
  }

  /// Whether the process works: its run has said so not too long ago.
  private func health(at now: Double) -> Response {
    for (_, feed) in feeds {
      guard let status = feed.status, status.state != .completed, status.state != .failed else { continue }
      let silence = now - status.updated
      if silence > 60 { return Response(503, "the run has said nothing for \(grouped(Int(min(silence, 1e15)))) s") }
    }
    return Response(200, "ok")
  }

  /// Whether workers can join, or the run has ended well.
  private var readiness: Response {
    for (_, feed) in feeds {
      guard let status = feed.status else { return Response(503, "the run has not begun") }
      if status.state == .lost || status.state == .failed { return Response(503, status.state.rawValue) }
    }
    return sources.isEmpty ? Response(503, "the run has not begun") : Response(200, "ok")
  }

  private func metrics(_ accept: String, at now: Double) -> Response {
    let isOpen = accept.contains("application/openmetrics-text")
    let text = PrometheusText(version: version, isOpen: isOpen).text(
      feeds.compactMap { entry in entry.feed.status.map { (entry.name, $0) } })
    return Response(type: PrometheusText.contentType(isOpen: isOpen), Array(text.utf8))
  }
}

/// The page's files.
enum PageFiles {
  static func response(_ path: String) -> Response? {
    let name = path == "/" ? "index.html" : String(path.dropFirst())
    guard let bytes = files[name] else { return nil }
    var response = Response(type: type(of: name), bytes)
    response.headers = Site.pageHeaders
    return response
  }

  private static func type(of name: String) -> String {
    if name.hasSuffix(".js") { return "text/javascript; charset=utf-8" }
    return name.hasSuffix(".css") ? "text/css; charset=utf-8" : "text/html; charset=utf-8"
  }
}
