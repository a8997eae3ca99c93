internal import Foundation
internal import Schema

/// The records of a file in parts, for a recipe that is known.
package struct TableBlocksReader {
  private let blocks: any TableBlocks
  private let location: String
  private let recipe: Recipe
  private let keep: [String]

  /// - Parameters:
  ///   - keep: columns whose cells are in ``Table/kept``.
  ///   - decimal: the decimal separator of the file; nil for that of the recipe.
  /// - Throws: ``DatasetError`` if the data are no table, cannot be read, or lack a column.
  package init(_ data: String, _ recipe: Recipe, keep: [String], decimal: String? = nil) throws {
    let (source, location) = try DataSelection(data).source
    (self.location, self.recipe, self.keep) = (location, recipe, keep)
    var format = TableFormat()
    format.declare(recipe)
    format.kept = Set(keep)
    format.reason = ", and the model was trained on them"
    format.decimal = (decimal ?? recipe.decimal).utf8.first ?? format.decimal
    let reader: () throws -> ByteReader = { try ByteReader(path: location) }
    switch source.name {
    case CSVFile.name:
      blocks = try DelimitedBlocks(format, reader())
      try checkNames()
    case JSONLinesFile.name: blocks = try JSONLinesBlocks(format, reader())
    default: throw DatasetError("\(data) is no table, and the model was trained on one")
    }
  }

  private func checkNames() throws {
    let names = Set(blocks.names)
    guard let name = (keep + recipe.columns.map(\.name)).first(where: { !names.contains($0) }) else { return }
    let wanted = keep.contains(name) ? ", which --keep names" : ", which the model was trained on"
    throw DatasetError(
      "\(location) has no column '\(name)'\(wanted); its columns are \(Table.list(blocks.names))"
        + suggestion(name, blocks.names))
  }

  /// The next records; nil at the end.
  ///
  /// - Throws: ``DatasetError`` at the end, too: if no record of JSON Lines had a column.
  package func next() throws -> Table? {
    if let table = try blocks.next() { return table }
    try checkNames()
    return nil
  }
}
