internal import Synchronization

/// The things of one kind that a program knows by name: those that come with the trainer, and those that it adds before the
/// command line is read.
package final class Registry<Item: Sendable>: Sendable {
  private let items: Mutex<[Item]>
  private let name: @Sendable (Item) -> String

  /// A registry of `builtIn`, whose names `name` tells.
  package init(_ builtIn: [Item], name: @escaping @Sendable (Item) -> String) {
    items = Mutex(builtIn)
    self.name = name
  }

  /// All of them, in the order in which they came.
  package var all: [Item] { items.withLock { $0 } }

  /// Adds `item`. A name that is there already is a mistake in the program.
  package func add(_ item: Item) {
    items.withLock { items in
      precondition(!items.contains { name($0) == name(item) }, "there is a '\(name(item))' already")
      items.append(item)
    }
  }
}
