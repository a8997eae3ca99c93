internal import Foundation

/// A random seed, said on standard error, where it is seen even if the test then traps.
public func newSeed(for test: String) -> UInt64 {
  let seed = UInt64.random(in: 0...UInt64.max)
  FileHandle.standardError.write(Data("\(test): seed \(seed)\n".utf8))
  return seed
}

/// Gives `read` spoiled files of the corpus's `folder`, `count` in all.
///
/// - Returns: how many it could read.
public func readSpoiled(_ folder: String, count: Int, _ read: ([UInt8]) throws -> Bool) throws -> Int {
  var mutator = Mutator(seed: newSeed(for: "spoiled \(folder)"))
  let corpus = try corpus(folder)
  var readable = 0
  for _ in 0..<count {
    let bytes = corpus.randomElement(using: &mutator.generator)!
    let other = corpus.randomElement(using: &mutator.generator)!
    if try read(mutator.mutated(bytes, with: other)) { readable += 1 }
  }
  return readable
}
