/// A function of two variables on which update rules are shown.
package struct TestFunction: Sendable {
  /// The name for `--function`, the title for readers, the formula, and the publication.
  package let name, title, formula, source: String
  /// Where the function has its minimum, 0, and where paths begin by default.
  package let minimum, start: (x: Double, y: Double)
  /// The ranges that are shown.
  package let x, y: ClosedRange<Double>
  package let value: @Sendable (_ x: Double, _ y: Double) -> Double
  package let gradient: @Sendable (_ x: Double, _ y: Double) -> (x: Double, y: Double)

  package static let all = [rosenbrock, beale, quadratic]

  /// A bent, narrow valley.
  package static let rosenbrock = TestFunction(
    name: "rosenbrock", title: "Rosenbrock’s function", formula: "f(x, y) = (1 − x)² + 100 (y − x²)²",
    source: "H. H. Rosenbrock, The Computer Journal 3, 1960", minimum: (1, 1), start: (-1, 2.5), x: -2...2, y: -1...3,
    value: { x, y in (1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x) },
    gradient: { x, y in (-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)) })

  /// Flat, with steep walls at the corners.
  package static let beale = TestFunction(
    name: "beale", title: "Beale’s function",
    formula: "f(x, y) = (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
    source: "E. M. L. Beale, On an Iterative Method for Finding a Local Minimum, Princeton, 1958",
    minimum: (3, 0.5), start: (1, 1.5), x: -1...4.5, y: -2...2.5,
    value: { x, y in
      let (a, b, c) = (1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y)
      return a * a + b * b + c * c
    },
    gradient: { x, y in
      let (a, b, c) = (1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y)
      let across = 2 * a * (y - 1) + 2 * b * (y * y - 1) + 2 * c * (y * y * y - 1)
      return (across, 2 * a * x + 4 * b * x * y + 6 * c * x * y * y)
    })

  /// An ill-conditioned bowl: 80 times as steep in one direction as in the other.
  package static let quadratic = TestFunction(
    name: "quadratic", title: "A quadratic of condition 80", formula: "f(x, y) = ½ (x² + 80 y²)",
    source: "S. Boyd & L. Vandenberghe, Convex Optimization, 2004, section 9.3.2", minimum: (0, 0), start: (-4, 1.2),
    x: -5...3, y: -1.6...1.6, value: { x, y in 0.5 * (x * x + 80 * y * y) }, gradient: { x, y in (x, 80 * y) })
}
