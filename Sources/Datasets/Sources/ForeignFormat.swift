internal import Foundation

/// A format of tables or arrays that the program does not read, and the Python that converts it to one that it reads.
struct ForeignFormat: Sendable {
  /// As in "is a Parquet file".
  private let name: String
  /// Its files begin with one of these; empty if only the extension tells.
  private var signatures: [[UInt8]] = []
  /// Where the signatures are.
  private var offset = 0
  private let extensions: [String]
  private let conversion: @Sendable (Paths) -> String
  /// What users should know before they convert.
  private var note = ""

  /// The paths of the file and of the new one, as strings of Python.
  private struct Paths {
    let file, csv, npz: String
  }

  private init(
    _ name: String, _ signatures: [[UInt8]] = [], at offset: Int = 0, extensions: [String] = [],
    note: String = "", _ conversion: @escaping @Sendable (Paths) -> String
  ) {
    (self.name, self.signatures, self.offset, self.extensions) = (name, signatures, offset, extensions)
    (self.note, self.conversion) = (note, conversion)
  }

  private init(
    _ name: String, _ signature: String, at offset: Int = 0, extensions: [String] = [],
    _ conversion: @escaping @Sendable (Paths) -> String
  ) {
    self.init(name, [Array(signature.utf8)], at: offset, extensions: extensions, conversion)
  }

  private static func pandas(_ reader: String) -> @Sendable (Paths) -> String {
    { "import pandas; pandas.\(reader)(\($0.file)).to_csv(\($0.csv), index=False)" }
  }

  /// For HDF5, whose top level has arrays by their names.
  private static func hdf5(_ array: String) -> @Sendable (Paths) -> String {
    {
      "import h5py, numpy; numpy.savez(\($0.npz), **{k: \(array) for k, v in h5py.File(\($0.file)).items() "
        + "if isinstance(v, h5py.Dataset)})"
    }
  }

  private static let all: [ForeignFormat] = [
    ForeignFormat("a Parquet file", "PAR1", extensions: ["parquet", "pq"], pandas("read_parquet")),
    ForeignFormat("an Arrow file", "ARROW1", extensions: ["arrow", "feather"], pandas("read_feather")),
    ForeignFormat("a Feather file", "FEA1", pandas("read_feather")),
    ForeignFormat("an ORC file", "ORC", extensions: ["orc"], pandas("read_orc")),
    // The name in a zip's first header.
    ForeignFormat(
      "an Excel workbook", "[Content_Types].xml", at: 30, extensions: ["xlsx", "xlsm"], pandas("read_excel")),
    ForeignFormat(
      "a spreadsheet", "mimetypeapplication/vnd.oasis.opendocument.spreadsheet", at: 30, extensions: ["ods"],
      pandas("read_excel")),
    ForeignFormat(
      "an Excel workbook", [[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]], extensions: ["xls"], pandas("read_excel")
    ),
    ForeignFormat(
      "an HDF5 file", [[0x89] + Array("HDF\r\n\u{1A}\n".utf8)], extensions: ["h5", "hdf5", "hdf"], hdf5("v[()]")),
    // Its arrays are column-major.
    ForeignFormat("a MATLAB file of version 7.3", "MATLAB 7.3 MAT-file", hdf5("v[()].T")),
    ForeignFormat("a MATLAB file", "MATLAB 5.0 MAT-file", extensions: ["mat"]) {
      "import numpy, scipy.io; numpy.savez(\($0.npz), **{k: v for k, v in scipy.io.loadmat(\($0.file)).items() "
        + "if k[:2] != '__'})"
    },
    ForeignFormat(
      "an SQLite database", [Array("SQLite format 3\0".utf8)], extensions: ["sqlite", "sqlite3", "db"],
      note: ", with your table's name for TABLE"
    ) {
      "import pandas, sqlite3; pandas.read_sql('select * from TABLE', sqlite3.connect(\($0.file))).to_csv(\($0.csv), "
        + "index=False)"
    },
    // The former format is a pickle that starts with this number.
    ForeignFormat(
      "a file of PyTorch", [[0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9]], extensions: ["pt", "pth"]
    ) {
      "import numpy, torch; numpy.savez(\($0.npz), **{k: v.numpy() for k, v in torch.load(\($0.file), "
        + "weights_only=True).items()})"
    },
    ForeignFormat(
      "a pickle", [[0x80, 0x02], [0x80, 0x03], [0x80, 0x04, 0x95], [0x80, 0x05, 0x95]], extensions: ["pkl", "pickle"],
      note: ", if you trust its author: a pickle can run any code", pandas("read_pickle")),
    ForeignFormat("a file of safetensors", "{\"", at: 8, extensions: ["safetensors"]) {
      "import numpy, safetensors.numpy; numpy.savez(\($0.npz), **safetensors.numpy.load_file(\($0.file)))"
    },
    ForeignFormat("an Avro file", "Obj\u{01}", extensions: ["avro"]) {
      "import fastavro, pandas; pandas.DataFrame(fastavro.reader(open(\($0.file), 'rb'))).to_csv(\($0.csv), index=False)"
    },
    ForeignFormat(
      "a SAS file", [[0xC2, 0xEA, 0x81, 0x60, 0xB3, 0x14, 0x11, 0xCF]], at: 12, extensions: ["sas7bdat"],
      pandas("read_sas")),
    ForeignFormat("a Stata file", "<stata_dta>", extensions: ["dta"], pandas("read_stata")),
    ForeignFormat("a file of R", [[0x58, 0x0A, 0, 0, 0]], extensions: ["rds"]) {
      "import pyreadr; pyreadr.read_r(\($0.file))[None].to_csv(\($0.csv), index=False)"
    },
    ForeignFormat("an Arrow stream", [[0xFF, 0xFF, 0xFF, 0xFF]]) {
      "import pyarrow; pyarrow.ipc.open_stream(\($0.file)).read_pandas().to_csv(\($0.csv), index=False)"
    },
    ForeignFormat("compressed with bzip2", "BZh", extensions: ["bz2"], unpacking("bz2")),
    ForeignFormat("compressed with xz", [[0xFD] + Array("7zXZ\0".utf8)], extensions: ["xz"], unpacking("lzma")),
    ForeignFormat("compressed with zstd", [[0x28, 0xB5, 0x2F, 0xFD]], extensions: ["zst"]) {
      "import pandas; pandas.read_csv(\($0.file), compression='zstd').to_csv(\($0.csv), index=False)"
    },
    // An archive of NumPy arrays begins like any zip.
    ForeignFormat("a zip archive", extensions: ["zip"]) {
      "import zipfile; zipfile.ZipFile(\($0.file)).extractall()"
    },
    json,
  ]

  private static func unpacking(_ module: String) -> @Sendable (Paths) -> String {
    { "import \(module), shutil; shutil.copyfileobj(\(module).open(\($0.file)), open(\($0.csv), 'wb'))" }
  }

  private static let json = ForeignFormat("a JSON document", extensions: ["json"], pandas("read_json"))

  /// The error for the file at `path` if it has a format that is not read; nil otherwise. What it begins with counts more
  /// than its extension: some programs write tables of text whose names end in `.xls`.
  static func refusal(_ path: String) -> DatasetError? {
    guard let start = try? ByteReader(path: path).bytes(512) else { return nil }
    let plain = path.hasSuffix(".gz") ? String(path.dropLast(3)) : path
    let suffix = URL(fileURLWithPath: plain).pathExtension.lowercased()
    let isText = !start.isEmpty && !hasControlCharacters(start)
    let named = all.first { $0.extensions.contains(suffix) && !(isText && $0.isAlwaysBinary) }
    return (begun(start) ?? named)?.refusal(path)
  }

  private static func begun(_ start: [UInt8]) -> ForeignFormat? {
    let content = start.filter { ![0x09, 0x0A, 0x0D, 0x20].contains($0) }
    if content.starts(with: Array("[{".utf8)) { return json }
    // A table's text may begin with a signature's letters, such as ORCID, but has no control characters.
    guard hasControlCharacters(start) else { return nil }
    return all.first { format in format.signatures.contains { start.dropFirst(format.offset).starts(with: $0) } }
  }

  private static func hasControlCharacters(_ start: [UInt8]) -> Bool { start.contains { $0 < 0x09 } }

  /// Whether no file of the format is text. The first format of pickles is.
  private var isAlwaysBinary: Bool { !signatures.isEmpty && !extensions.contains("pickle") }

  private func refusal(_ path: String) -> DatasetError {
    let paths = Paths(
      file: pythonLiteral(path), csv: pythonLiteral("\(path).csv"), npz: pythonLiteral("\(path).npz"))
    return DatasetError(
      "\(path) is \(name), which is not read: convert it by python3 -c \"\(conversion(paths))\"\(note)")
  }
}
