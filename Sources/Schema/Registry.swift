internal import Synchronization

/// Named items of one kind, such as update rules: the built-in ones, and those that a program adds before it reads the
/// command line.
package final class Registry<Item: Sendable>: Sendable {
  private let items: Mutex<[Item]>
  private let name: @Sendable (Item) -> String

  package init(_ builtIn: [Item], name: @escaping @Sendable (Item) -> String) {
    items = Mutex(builtIn)
    self.name = name
  }

  /// In the order in which they were added.
  package var all: [Item] { items.withLock { $0 } }

  /// Adds `item`. Traps if its name is taken.
  package func add(_ item: Item) {
    items.withLock { items in
      precondition(!items.contains { name($0) == name(item) }, "there is a '\(name(item))' already")
      items.append(item)
    }
  }
}
