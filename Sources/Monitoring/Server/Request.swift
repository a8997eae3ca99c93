internal import Foundation

/// What the server needs of an HTTP request.
struct Request {
  var method: String
  /// Without the query.
  var path: String
  var query: [String: String]
  /// By lower-case name; of several with one name the first.
  var headers: [String: String]
  /// Whether a header that must be there once was there twice.
  var isAmbiguous = false

  init(method: String, target: String, headers: [(name: String, value: String)]) {
    self.method = method
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    path = parts.first.map(String.init) ?? ""
    query = [:]
    for pair in (parts.dropFirst().first ?? "").split(separator: "&").prefix(16) {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, let value = String(sides[1]).removingPercentEncoding else { continue }
      query[String(sides[0])] = value
    }
    self.headers = [:]
    for (name, value) in headers {
      let name = name.lowercased()
      if self.headers[name] == nil { self.headers[name] = value } else if name == "host" { isAmbiguous = true }
    }
  }
}

/// An answer, but for the page's stream of events.
struct Response: Equatable {
  var status: Int
  var type = "text/plain; charset=utf-8"
  var body: [UInt8] = []
  var headers: [String: String] = [:]

  init(_ status: Int, _ text: String) { (self.status, body) = (status, Array((text + "\n").utf8)) }

  init(json: String) { (status, type, body) = (200, "application/json", Array(json.utf8)) }

  init(type: String, _ body: [UInt8]) { (status, self.type, self.body) = (200, type, body) }
}
