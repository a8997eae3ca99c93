// swift-tools-version: 6.1
import PackageDescription

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

// Homebrew keeps its headers where only pkg-config finds them. On Linux they are on the default path, and Debian's
// libzmq.pc names flags that the package manager refuses with a warning.
#if os(macOS)
  let zeroMQConfig: String? = "libzmq"
#else
  let zeroMQConfig: String? = nil
#endif

// Tests run debug builds, in which loops over data that are not optimised would take most of the time. A package that is
// a dependency by version must not have unsafe flags; it then lies in a folder of checkouts.
let isRoot = !Context.packageDirectory.split(separator: "/").contains("checkouts")
let kernelSettings: [CSetting] = isRoot ? [.unsafeFlags(["-O2"], .when(configuration: .debug))] : []
let optimizedTargets: Set =
  isRoot ? ["Files", "Reduction", "Kernels", "Protocol", "Datasets", "Models", "Optimizers"] : []

/// Of the live page, in `Sources/Monitoring/Page`.
let pageFiles = [
  "app.js", "axis.js", "chart.js", "charts.js", "charttable.js", "compare.js", "connection.js", "curves.js",
  "dom.js", "format.js", "index.html", "overview.js", "painter.js", "records.js", "series.js", "store.js",
  "style.css", "sweep.js", "table.js", "timeline.js", "topology.js", "view.js", "workers.js",
]

let package = Package(
  name: "lockstep",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "lockstep", targets: ["LockstepTool"]),
    .library(name: "Lockstep", targets: ["Lockstep"]),
    .library(name: "LockstepCore", targets: ["LockstepCore"]),
    .executable(name: "custom-model", targets: ["CustomModel"]),
    .executable(name: "custom-operation", targets: ["CustomOperation"]),
    .executable(name: "custom-optimizer", targets: ["CustomOptimizer"]),
    .executable(name: "custom-data", targets: ["CustomData"]),
    .executable(name: "custom-loss", targets: ["CustomLoss"]),
    .executable(name: "library-example", targets: ["LibraryExample"]),
    .executable(name: "kernel-benchmark", targets: ["KernelBenchmark"]),
    .executable(name: "transport-benchmark", targets: ["TransportBenchmark"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CZeroMQ", pkgConfig: zeroMQConfig, providers: [.apt(["libzmq3-dev"]), .brew(["zeromq"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .target(name: "CKernels", cSettings: kernelSettings),

    .target(name: "Schema"),
    .target(name: "Files"),
    .target(name: "Reduction"),
    .target(name: "Kernels", dependencies: ["CKernels"]),
    .target(name: "Optimizers", dependencies: ["Schema", "Kernels"]),
    .target(
      name: "Datasets", dependencies: ["Schema", "Kernels", "CZlib"],
      resources: [.embedInCode("Resources/digits.csv.gz")]),
    .target(name: "Models", dependencies: ["Schema", "Reduction", "Kernels", "Datasets"]),
    .target(name: "Protocol", dependencies: ["Schema", "Reduction"]),
    .target(name: "ZeroMQ", dependencies: ["CZeroMQ"]),
    .target(
      name: "Cluster",
      dependencies: [
        "Schema", "Files", "Reduction", "Kernels", "Optimizers", "Datasets", "Models", "Protocol", "ZeroMQ", "CKernels",
      ]),
    .target(
      name: "Runs",
      dependencies: [
        "Schema", "Files", "Reduction", "Kernels", "Optimizers", "Datasets", "Models", "Protocol", "Cluster", "CZlib",
        "Yams",
      ]),
    .target(
      name: "LockstepCore",
      dependencies: [
        "Schema", "Files", "Kernels", "Optimizers", "Datasets", "Models", "Protocol", "Cluster", "Runs",
      ]),
    .target(
      name: "Reports",
      dependencies: ["Schema", "Kernels", "Optimizers", "Datasets", "Models", "Protocol", "Cluster", "Runs"]),
    .target(
      name: "Monitoring",
      dependencies: [
        "Schema", "Files", "Kernels", "Protocol", "Runs", "Reports",
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      resources: pageFiles.map { .embedInCode("Page/\($0)") }),
    .target(
      name: "Lockstep",
      dependencies: [
        "Schema", "Files", "Kernels", "Optimizers", "Datasets", "Models", "Protocol", "ZeroMQ", "Cluster", "Runs",
        "Reports", "Monitoring", "LockstepCore", argumentParser,
      ]),
    .executableTarget(name: "LockstepTool", dependencies: ["Lockstep"]),
    .executableTarget(
      name: "KernelBenchmark",
      dependencies: ["Schema", "Optimizers", "Kernels", "Datasets", "Models", "Protocol", "Runs"],
      path: "Benchmarks/kernels"),
    .executableTarget(name: "TransportBenchmark", dependencies: ["Lockstep"], path: "Benchmarks/transport"),
    .executableTarget(name: "CustomModel", dependencies: ["Lockstep"], path: "Examples/custom-model"),
    .executableTarget(name: "CustomOperation", dependencies: ["Lockstep"], path: "Examples/custom-operation"),
    .executableTarget(name: "CustomOptimizer", dependencies: ["Lockstep"], path: "Examples/custom-optimizer"),
    .executableTarget(name: "CustomData", dependencies: ["Lockstep"], path: "Examples/custom-data"),
    .executableTarget(name: "CustomLoss", dependencies: ["Lockstep"], path: "Examples/custom-loss"),
    .executableTarget(name: "LibraryExample", dependencies: ["LockstepCore"], path: "Examples/library"),

    .target(name: "AllocationCount", path: "Tests/AllocationCount"),
    .target(name: "TestSupport", dependencies: ["AllocationCount"], path: "Tests/TestSupport"),
    .testTarget(name: "ZeroMQTests", dependencies: ["ZeroMQ"]),
    .testTarget(
      name: "KernelsTests", dependencies: ["Kernels", "Reduction", "TestSupport"], resources: [.copy("Fixtures")]),
    .testTarget(
      name: "DatasetsTests", dependencies: ["Datasets", "Kernels", "TestSupport"], resources: [.copy("Fixtures")]),
    .testTarget(
      name: "ModelsTests", dependencies: ["Models", "Schema", "Datasets", "Kernels", "Reduction", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "OptimizersTests", dependencies: ["Optimizers", "Kernels", "TestSupport"], resources: [.copy("Fixtures")]),
    .testTarget(name: "ProtocolTests", dependencies: ["Protocol", "Reduction", "Schema", "TestSupport"]),
    .testTarget(
      name: "SimulationTests", dependencies: ["Cluster", "Protocol", "Reduction", "Schema", "TestSupport"]),
    .testTarget(
      name: "ClusterTests",
      dependencies: [
        "Runs", "Cluster", "Protocol", "Reduction", "Schema", "ZeroMQ", "Files", "Datasets", "Models", "Optimizers",
        "Kernels", "TestSupport",
      ]),
    .testTarget(
      name: "RunsTests",
      dependencies: [
        "Runs", "Cluster", "Protocol", "Schema", "Files", "Datasets", "Models", "Optimizers", "Kernels", "TestSupport",
      ],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "ReportsTests",
      dependencies: [
        "Reports", "Runs", "Cluster", "Protocol", "Schema", "Datasets", "Models", "Optimizers", "TestSupport",
      ],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "MonitoringTests",
      dependencies: [
        "Monitoring", "Files", "Runs", "Reports", "Protocol", "Schema", "Kernels", "TestSupport",
      ]),
    .testTarget(
      name: "LockstepTests",
      dependencies: [
        "Lockstep", "Runs", "Cluster", "Protocol", "Schema", "Datasets", "Models", "Optimizers", "Kernels",
        argumentParser,
      ]),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "LockstepTool", "CustomModel", "CustomOperation", "CustomOptimizer", "CustomData", "CustomLoss",
        "LibraryExample", "Runs", "Files", "Datasets", "Models", "Protocol", "ZeroMQ", "Kernels", "Optimizers",
        "Schema", "TestSupport",
      ],
      exclude: [
        "attack_page.py", "bf16_run.py", "check_model.py", "dashboard.py", "kill_between.py", "late_worker.py",
        "launch.py", "local_run.py", "local_steps.py", "long_run.py", "pytorch_page.py", "pytorch_table.py",
        "read_tensorboard.py", "scrape.py", "terminal.py", "two_machines.py",
      ]),
  ]
)

// Built by Tests/Fuzz/run.sh alone, with `-sanitize=fuzzer`. gold cannot link that.
if Context.environment["LOCKSTEP_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "Runs", "Cluster", "Protocol", "Reduction", "Schema", "Files", "ZeroMQ", "Datasets", "Models", "Kernels",
        "TestSupport",
      ],
      path: "Tests/Fuzz", exclude: ["run.sh"], linkerSettings: [.unsafeFlags(["-use-ld=lld"])]))
}

// Built by Tests/Stress/run.sh alone, with `--sanitize=thread`.
if Context.environment["LOCKSTEP_STRESS"] != nil {
  package.targets += [
    .target(name: "MutexInterposer", path: "Tests/Stress/MutexInterposer"),
    .executableTarget(
      name: "Stress",
      dependencies: [
        "MutexInterposer", "Runs", "Cluster", "Protocol", "Reduction", "Schema", "ZeroMQ", "Models", "Kernels",
      ],
      path: "Tests/Stress/Program"),
  ]
}

for target in package.targets where target.type != .system {
  target.swiftSettings = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ]
  if optimizedTargets.contains(target.name) {
    target.swiftSettings?.append(.unsafeFlags(["-O"], .when(configuration: .debug)))
  }
}
