// swift-tools-version: 6.1
import PackageDescription

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")

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
let optimizedTargets: Set = isRoot ? ["Kernels", "Wire", "Datasets", "Models", "Optimizers", "Checkpoints"] : []

let package = Package(
  name: "lockstep",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "lockstep", targets: ["LockstepTool"]),
    .library(name: "Lockstep", targets: ["Lockstep"]),
    .executable(name: "custom-model", targets: ["CustomModel"]),
    .executable(name: "custom-optimizer", targets: ["CustomOptimizer"]),
    .executable(name: "kernel-benchmark", targets: ["KernelBenchmark"]),
    .executable(name: "transport-benchmark", targets: ["TransportBenchmark"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-crypto", "3.12.0"..<"5.0.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CZeroMQ", pkgConfig: zeroMQConfig, providers: [.apt(["libzmq3-dev"]), .brew(["zeromq"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"]), .brew(["onednn"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .target(name: "CKernels", cSettings: kernelSettings),

    .target(name: "ZeroMQ", dependencies: ["CZeroMQ"]),
    .target(name: "Wire"),
    .target(name: "Charts"),
    .target(name: "Kernels", dependencies: ["CKernels", "COneDNN"]),
    .target(
      name: "Datasets", dependencies: ["Kernels", "CZlib", crypto],
      resources: [.embedInCode("Resources/digits.csv.gz")]),
    .target(name: "Models", dependencies: ["Kernels", "Datasets"]),
    .target(name: "Optimizers", dependencies: ["Kernels"]),
    .target(name: "Checkpoints", dependencies: ["Kernels", "Models", "CZlib"]),
    .target(
      name: "Training",
      dependencies: [
        "Kernels", "ZeroMQ", "Wire", "Datasets", "Models", "Optimizers", "Checkpoints", crypto, "Yams",
      ]),
    .target(
      name: "Lockstep",
      dependencies: [
        "Kernels", "ZeroMQ", "Datasets", "Models", "Optimizers", "Checkpoints", "Training", "Charts", argumentParser,
      ]),
    .executableTarget(name: "LockstepTool", dependencies: ["Lockstep"]),
    .executableTarget(name: "KernelBenchmark", dependencies: ["Optimizers", "Kernels"], path: "Benchmarks/kernels"),
    .executableTarget(name: "TransportBenchmark", dependencies: ["Lockstep"], path: "Benchmarks/transport"),
    .executableTarget(name: "CustomModel", dependencies: ["Lockstep"], path: "Examples/custom-model"),
    .executableTarget(name: "CustomOptimizer", dependencies: ["Lockstep"], path: "Examples/custom-optimizer"),

    .target(name: "AllocationCount", path: "Tests/AllocationCount"),
    .target(name: "TestSupport", dependencies: ["AllocationCount"], path: "Tests/TestSupport"),
    .testTarget(name: "ZeroMQTests", dependencies: ["ZeroMQ"]),
    .testTarget(name: "WireTests", dependencies: ["Wire", "TestSupport"]),
    .testTarget(name: "ChartsTests", dependencies: ["Charts"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "TestSupport"]),
    .testTarget(name: "DatasetsTests", dependencies: ["Datasets", "Kernels", "TestSupport"]),
    .testTarget(name: "ModelsTests", dependencies: ["Models", "Datasets", "Kernels", "TestSupport"]),
    .testTarget(
      name: "OptimizersTests", dependencies: ["Optimizers", "Kernels", "TestSupport"], resources: [.copy("Fixtures")]),
    .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints", "Models", "Kernels", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Training", "ZeroMQ", "Wire", "Datasets", "Models", "Optimizers", "Checkpoints", "Kernels", "TestSupport",
      ]),
    .testTarget(
      name: "SimulationTests", dependencies: ["Training", "Wire", "Datasets", "Models", "TestSupport"]),
    .testTarget(
      name: "LockstepTests",
      dependencies: ["Lockstep", "Training", "Datasets", "Models", "Optimizers", "Charts", argumentParser]),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "LockstepTool", "CustomModel", "CustomOptimizer", "Checkpoints", "Wire", "ZeroMQ", "TestSupport",
      ],
      exclude: ["check_model.py", "late_worker.py", "launch.py", "two_machines.py"]),
  ]
)

// Built by Tests/Fuzz/run.sh alone, with `-sanitize=fuzzer`. gold cannot link that.
if Context.environment["LOCKSTEP_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "Fuzz",
      dependencies: ["Training", "ZeroMQ", "Wire", "Datasets", "Models", "Checkpoints", "Kernels", "TestSupport"],
      path: "Tests/Fuzz", exclude: ["run.sh"], linkerSettings: [.unsafeFlags(["-use-ld=lld"])]))
}

// Built by Tests/Stress/run.sh alone, with `--sanitize=thread`.
if Context.environment["LOCKSTEP_STRESS"] != nil {
  package.targets += [
    .target(name: "MutexInterposer", path: "Tests/Stress/MutexInterposer"),
    .executableTarget(
      name: "Stress", dependencies: ["MutexInterposer", "Training", "ZeroMQ", "Models", "Kernels"],
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
