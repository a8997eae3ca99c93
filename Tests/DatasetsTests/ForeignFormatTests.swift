import Foundation
import Testing

@testable import Datasets

@Suite struct ForeignFormatTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func load(_ path: String) throws { _ = try LoadedData(DataSelection(data: path), classify: nil, seed: 0) }

  @Test(
    "a format that is not read is named, with the Python that converts it",
    arguments: [
      ("a.parquet", "PAR1\u{15}\u{4}", "a Parquet file", "pandas.read_parquet('"),
      ("parquet-without-a-name", "PAR1\u{15}\u{4}", "a Parquet file", "pandas.read_parquet('"),
      ("a.arrow", "ARROW1\0\0", "an Arrow file", "pandas.read_feather('"),
      ("a.feather", "FEA1\0\0\0\0", "a Feather file", "pandas.read_feather('"),
      ("a.orc", "ORC\u{1}\u{2}", "an ORC file", "pandas.read_orc('"),
      ("a.xlsx", "PK\u{3}\u{4}\u{14}\0", "an Excel workbook", "pandas.read_excel('"),
      ("a.ods", "PK\u{3}\u{4}\u{14}\0", "a spreadsheet", "pandas.read_excel('"),
      ("a.xls", "\u{1}\u{2}", "an Excel workbook", "pandas.read_excel('"),
      ("a.h5", "\u{1}", "an HDF5 file", "h5py.File('"), ("a.hdf5", "\u{1}", "an HDF5 file", "h5py.File('"),
      ("a.mat", "MATLAB 5.0 MAT-file, \u{1}", "a MATLAB file", "scipy.io.loadmat('"),
      ("a.mat", "MATLAB 7.3 MAT-file, \u{1}", "a MATLAB file of version 7.3", "h5py.File('"),
      ("a.sqlite", "SQLite format 3\0", "an SQLite database", "sqlite3.connect('"),
      ("a.db", "SQLite format 3\0", "an SQLite database", "TABLE"),
      ("a.pt", "PK\u{3}\u{4}\0", "a file of PyTorch", "torch.load('"),
      ("a.pth", "PK\u{3}\u{4}\0", "a file of PyTorch", "weights_only=True"),
      ("a.pkl", "(lp0\n", "a pickle", "if you trust its author"), ("a.pickle", "", "a pickle", "pandas.read_pickle('"),
      ("a.safetensors", "\u{40}\0\0\0\0\0\0\0{\"a\":", "a file of safetensors", "load_file('"),
      ("a.json", "[{\"a\": 1}]", "a JSON document", "pandas.read_json('"),
      ("list", "[\n  {\"a\": 1}\n]", "a JSON document", "pandas.read_json('"),
      ("a.avro", "Obj\u{1}\u{4}", "an Avro file", "fastavro.reader("),
      ("a.sas7bdat", "\0\0", "a SAS file", "pandas.read_sas('"),
      ("a.dta", "r\u{1}\u{1}", "a Stata file", "read_stata('"),
      ("a.rds", "X\n\0\0\0", "a file of R", "pyreadr.read_r('"),
    ])
  func refused(_ name: String, _ content: String, _ format: String, _ conversion: String) throws {
    let path = try folder.write(content, to: name)
    expectError("\(path) is \(format), which is not read: convert it by python3 -c \"", conversion) { try load(path) }
  }

  @Test(
    "a signature that is no text is recognised",
    arguments: [
      ([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A, 0], "an HDF5 file"),
      ([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0], "an Excel workbook"),
      ([0x80, 0x04, 0x95, 0x00], "a pickle"),
    ] as [([UInt8], String)])
  func signature(_ content: [UInt8], _ format: String) throws {
    let path = try folder.write(content, to: "data")
    expectError("\(path) is \(format), which is not read") { try load(path) }
  }

  @Test("a table of text is read, even if its name or its first letters are another format's")
  func tables() throws {
    for (name, first) in [("a.xls", "x"), ("a.dta", "x"), ("a.csv", "ORCID"), ("a.txt", "PAR1")] {
      let path = try folder.write("\(first),y\n1,2\n3,4\n5,6\n", to: name)
      #expect(throws: Never.self) { try load(path) }
    }
  }

  @Test("the line can be pasted, whatever the path")
  func quoting() throws {
    let path = try folder.write("PAR1\u{15}\u{4}", to: "a 'b' \"c\" $(touch d) `e` \\f!.parquet")
    let error = try #require(ForeignFormat.refusal(path))
    let line = try #require(error.description.split(separator: "convert it by ").last)
    // A stand-in for pandas prints the path that it gets.
    try folder.write(
      """
      class Table:
        def to_csv(self, path, index): print(path)
      def read_parquet(path):
        print(path)
        return Table()
      """, to: "pandas.py")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", String(line)]
    process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONPATH": folder.path]) { $1 }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let printed = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(printed == "\(path)\n\(path).csv\n")
    #expect(!FileManager.default.fileExists(atPath: "d"))
  }
}
