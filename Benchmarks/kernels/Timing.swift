import Foundation

func row(_ cells: String...) { print("| \(cells.joined(separator: " | ")) |") }

func places(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)f", value) }

func percent(_ share: Double) -> String { String(format: "%.0f %%", 100 * share) }
