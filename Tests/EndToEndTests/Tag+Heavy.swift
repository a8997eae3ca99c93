import Testing

extension Tag {
  /// Takes minutes, or needs a network of namespaces: runs with `LOCKSTEP_HEAVY=1`, as in `.ci/run`.
  @Tag static var heavy: Self
}
