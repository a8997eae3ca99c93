internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Runs
internal import Synchronization

/// Where a server listens: `HOST:PORT`.
package struct ServerAddress: Equatable, Sendable, CustomStringConvertible {
  package let host: String
  package let port: Int

  /// - Throws: ``AddressError`` if `text` is none.
  package init(_ text: String) throws {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65_535).contains(port)
    else { throw AddressError(description: "an address is HOST:PORT with a port from 0 (any free one) to 65535") }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard !host.isEmpty, !host.contains("/") else {
      throw AddressError(description: "the host is missing: an address is HOST:PORT, such as 127.0.0.1:8270")
    }
    (self.host, self.port) = (host, port)
  }

  package init(host: String, port: Int) { (self.host, self.port) = (host, port) }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Whether only processes of this machine reach it.
  package var isLoopback: Bool {
    host == "localhost" || host == "::1" || AccessPolicy.isAddress(host) && host.hasPrefix("127.")
  }
}

package struct AddressError: Error, CustomStringConvertible {
  package let description: String
}

/// Serves the page and metrics over HTTP. It only reads: nothing that it is asked changes a run.
///
/// One thread of low priority serves all. What clients can make it use is bounded: there are at most
/// ``mostConnections``, each must ask within seconds, and one that does not read what it gets is closed.
package final class PageServer: Sendable {
  /// More are closed at once.
  static let mostConnections = 64
  /// Seconds for a request's headers, and between two requests.
  static let requestTime = 10
  static let idleTime = 60
  /// Seconds in which a client must have read what it gets.
  static let readTime = 30
  /// Milliseconds between two looks at the runs.
  static let interval = 250

  /// With the port that the system chose.
  package let address: ServerAddress
  private let hasPage: Bool
  private let group: MultiThreadedEventLoopGroup
  private let loop: any EventLoop
  private let hub: Hub

  /// Listens.
  ///
  /// - Parameters:
  ///   - token: nil lets everyone read who can connect.
  ///   - hasPage: whether there is more than metrics.
  /// - Throws: ``AddressError`` if it cannot listen there.
  package init(_ address: ServerAddress, token: String?, hasPage: Bool, command: String, version: String) throws {
    self.hasPage = hasPage
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    loop = group.next()
    let name = ProcessInfo.processInfo.hostName.lowercased()
    let policy = AccessPolicy(
      token: token, names: [name, name.split(separator: ".").first.map(String.init) ?? name, address.host.lowercased()])
    let hub = Hub(Site(hasPage: hasPage, command: command, version: version), policy)
    self.hub = hub
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 128)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          guard hub.connections < PageServer.mostConnections else { throw ChannelError.ioOnClosedChannel }
          try channel.pipeline.syncOperations.addHandler(BackPressureHandler())
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
          try channel.pipeline.syncOperations.addHandler(Connection(hub))
        }
      }
    do {
      let channel = try bootstrap.bind(host: address.host, port: address.port).wait()
      self.address = ServerAddress(host: address.host, port: channel.localAddress?.port ?? address.port)
    } catch {
      let reason = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
      throw AddressError(description: "cannot listen on \(address): \(reason); port 0 takes any free one")
    }
    loop.execute { [loop] in
      lowerPriority()
      loop.scheduleRepeatedTask(
        initialDelay: .zero, delay: .milliseconds(Int64(PageServer.interval))
      ) { _ in if hub.isWatched { hub.look() } }
    }
  }

  /// Whether somebody has the page open. Without anyone, nothing is read and nothing costs time.
  package var isWatched: Bool { hub.isWatched }

  /// Where a browser finds the page.
  package var link: String {
    let host = ["0.0.0.0", "::"].contains(address.host) ? ProcessInfo.processInfo.hostName : address.host
    return "http://\(ServerAddress(host: host, port: address.port))/"
  }

  /// Shows the run in `folder` from now on.
  ///
  /// - Throws: ``FileError`` if there is none.
  package func show(run folder: String) throws {
    let feed = try RunFeed(folder, readsMetrics: hasPage)
    nonisolated(unsafe) let source = Source.run(feed)
    try loop.submit { [hub] in hub.add(source) }.wait()
  }

  /// The same for a sweep.
  package func show(sweep folder: String) throws {
    let feed = try SweepFeed(folder)
    nonisolated(unsafe) let source = Source.sweep(feed)
    try loop.submit { [hub] in hub.add(source) }.wait()
  }

  /// Tells all pages how their runs have ended, for at most `seconds`.
  package func finish(within seconds: Double) {
    let done = DispatchSemaphore(value: 0)
    loop.execute { [hub, loop] in
      if hub.isWatched { hub.look() }
      hub.whenSent(on: loop) { done.signal() }
    }
    _ = done.wait(timeout: .now() + seconds)
  }
}

/// What all connections share; used by the server's thread alone.
private final class Hub: @unchecked Sendable {
  private(set) var site: Site
  let policy: AccessPolicy
  var connections = 0
  private var streams: [ObjectIdentifier: Connection] = [:] {
    didSet { watched.store(!streams.isEmpty, ordering: .relaxed) }
  }
  private let watched = Atomic(false)
  var isWatched: Bool { watched.load(ordering: .relaxed) }
  private var lastLook = NIODeadline.uptimeNanoseconds(0)

  init(_ site: Site, _ policy: AccessPolicy) { (self.site, self.policy) = (site, policy) }

  func add(_ source: Source) {
    source.poll()
    site.add(source)
  }

  /// Reads what is new, unless that was a moment ago.
  func refresh() {
    if NIODeadline.now() - lastLook >= .milliseconds(Int64(PageServer.interval) / 2) { poll() }
  }

  private func poll() {
    for (_, source) in site.sources { source.poll() }
    lastLook = .now()
  }

  /// Reads what is new, and tells those who have a page open.
  func look() {
    poll()
    for connection in streams.values { connection.sendNews(site) }
  }

  func open(_ connection: Connection) { streams[ObjectIdentifier(connection)] = connection }
  func close(_ connection: Connection) { streams[ObjectIdentifier(connection)] = nil }

  /// Calls `done` when all events are with the system.
  func whenSent(on loop: any EventLoop, _ done: @escaping @Sendable () -> Void) {
    let sent = streams.values.compactMap { $0.lastSent }
    EventLoopFuture.andAllComplete(sent, on: loop).whenComplete { _ in done() }
  }
}

/// One client.
private final class Connection: ChannelInboundHandler, @unchecked Sendable {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let hub: Hub
  private var channel: (any Channel)?
  private var deadline: Scheduled<Void>?
  private var events: EventStream?
  private(set) var lastSent: EventLoopFuture<Void>?
  private var lastWritable = NIODeadline.now()
  private var lastWrite = NIODeadline.now()

  init(_ hub: Hub) { self.hub = hub }

  func channelActive(context: ChannelHandlerContext) {
    hub.connections += 1
    channel = context.channel
    closeAfter(PageServer.requestTime, context.channel)
  }

  func channelInactive(context: ChannelHandlerContext) {
    if channel != nil { hub.connections -= 1 }
    deadline?.cancel()
    hub.close(self)
    channel = nil
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func closeAfter(_ seconds: Int, _ channel: any Channel) {
    deadline?.cancel()
    deadline = channel.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) { channel.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .head(let head) = unwrapInboundIn(data) else { return }
    // It asks again without reading what it has got, or while events go to it.
    guard context.channel.isWritable, events == nil else { return context.close(promise: nil) }
    let request = Request(
      method: head.method.rawValue, target: head.uri, headers: head.headers.map { ($0.name, $0.value) })
    // Nothing that is answered here has a body.
    let hasBody =
      head.headers.contains(name: "transfer-encoding") || (head.headers.first(name: "content-length") ?? "0") != "0"
    let keepsAlive = head.isKeepAlive && !hasBody
    if let refusal = hub.policy.answer(request) {
      respond(refusal, to: head, keepsAlive: keepsAlive && refusal.status != 405, context)
      return
    }
    hub.refresh()
    switch hub.site.answer(request, at: Date().timeIntervalSince1970) {
    case .response(let response): respond(response, to: head, keepsAlive: keepsAlive, context)
    case .events(let positions): stream(positions, to: head, context)
    }
  }

  private func respond(
    _ response: Response, to head: HTTPRequestHead, keepsAlive: Bool, _ context: ChannelHandlerContext
  ) {
    var headers = HTTPHeaders(Site.pageHeaders.merging(response.headers) { $1 }.sorted { $0.key < $1.key })
    headers.add(name: "Content-Type", value: response.type)
    headers.add(name: "Content-Length", value: "\(response.body.count)")
    headers.add(name: "Connection", value: keepsAlive ? "keep-alive" : "close")
    write(head, response.status, headers, context)
    if head.method != .HEAD {
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body)))), promise: nil)
    }
    let sent = context.eventLoop.makePromise(of: Void.self)
    closeAfter(PageServer.readTime, context.channel)
    let channel = context.channel
    sent.futureResult.assumeIsolated().whenComplete { [self] _ in
      if keepsAlive { closeAfter(PageServer.idleTime, channel) } else { channel.close(promise: nil) }
    }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
  }

  private func write(
    _ head: HTTPRequestHead, _ status: Int, _ headers: HTTPHeaders, _ context: ChannelHandlerContext
  ) {
    let response = HTTPResponseHead(version: head.version, status: .init(statusCode: status), headers: headers)
    context.write(wrapOutboundOut(.head(response)), promise: nil)
  }

  private func stream(_ positions: Positions, to head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    var headers = HTTPHeaders(Site.pageHeaders.sorted { $0.key < $1.key })
    headers.add(name: "Content-Type", value: "text/event-stream")
    write(head, 200, headers, context)
    deadline?.cancel()
    context.flush()
    guard head.method != .HEAD else { return context.close(promise: nil) }
    events = EventStream(positions)
    hub.open(self)
    send("retry: 1000\n\n")
    sendNews(hub.site)
  }

  /// Sends what has changed, if the client has read what it got before.
  func sendNews(_ site: Site) {
    guard let channel, events != nil else { return }
    let now = NIODeadline.now()
    guard channel.isWritable else {
      if now - lastWritable > .seconds(Int64(PageServer.readTime)) { channel.close(promise: nil) }
      return
    }
    lastWritable = now
    do {
      let text = try events!.next(site)
      if !text.isEmpty { send(text) } else if now - lastWrite > .seconds(10) { send(": still here\n\n") }
    } catch {
      channel.close(promise: nil)
    }
  }

  private func send(_ text: String) {
    guard let channel else { return }
    lastWrite = .now()
    lastSent = channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: text))))
  }
}
