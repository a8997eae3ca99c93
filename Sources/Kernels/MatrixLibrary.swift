internal import CKernels
internal import COneDNN

/// The library that multiplies matrices. Its kernels, and so the bits of its results, depend on the CPU.
package enum MatrixLibrary {
  /// Such as `oneDNN 2.6.3`.
  package static let name: String = {
    guard let version = dnnl_version()?.pointee else { return "oneDNN" }
    return "oneDNN \(version.major).\(version.minor).\(version.patch)"
  }()

  /// The instruction set of its kernels on this CPU, limited by `DNNL_MAX_CPU_ISA`; a number if it has no name here.
  package static var instructionSet: String {
    switch dnnl_get_effective_cpu_isa().rawValue {
    case dnnl_cpu_isa_sse41.rawValue: "SSE41"
    case dnnl_cpu_isa_avx.rawValue: "AVX"
    case dnnl_cpu_isa_avx2.rawValue: "AVX2"
    case dnnl_cpu_isa_avx2_vnni.rawValue: "AVX2_VNNI"
    case dnnl_cpu_isa_avx512_core.rawValue: "AVX512_CORE"
    case dnnl_cpu_isa_avx512_core_vnni.rawValue: "AVX512_CORE_VNNI"
    case dnnl_cpu_isa_avx512_core_bf16.rawValue: "AVX512_CORE_BF16"
    case dnnl_cpu_isa_avx512_core_amx.rawValue: "AVX512_CORE_AMX"
    case let other: "\(other)"
    }
  }
}
