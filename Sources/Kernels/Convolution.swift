internal import CKernels

/// The sizes of a convolution or a pooling of images, height × width × channels.
package struct ImageWindows: Equatable, Sendable {
  /// Height and width of an input.
  package var size: (height: Int, width: Int)
  /// Height and width of an output.
  package var outputSize: (height: Int, width: Int)
  package var kernel: (height: Int, width: Int)
  package var stride: (height: Int, width: Int)
  package var dilation: (height: Int, width: Int)
  /// Rows above and columns left of the image; what lies below and to the right follows from the other sizes.
  package var padding: (top: Int, left: Int)

  package init(
    size: (height: Int, width: Int), outputSize: (height: Int, width: Int), kernel: (height: Int, width: Int),
    stride: (height: Int, width: Int), dilation: (height: Int, width: Int) = (1, 1), padding: (top: Int, left: Int)
  ) {
    (self.size, self.outputSize, self.kernel) = (size, outputSize, kernel)
    (self.stride, self.dilation, self.padding) = (stride, dilation, padding)
  }

  package static func == (left: ImageWindows, right: ImageWindows) -> Bool {
    left.size == right.size && left.outputSize == right.outputSize && left.kernel == right.kernel
      && left.stride == right.stride && left.dilation == right.dilation && left.padding == right.padding
  }
}

/// A convolution of images, height × width × channels, by a weight of kernel height × kernel width × channels / groups ×
/// output channels. What is outside of an image is zero.
package struct Convolution: Sendable {
  private let windows: ImageWindows
  private let channels: Int
  private let outputChannels: Int
  private let groups: Int

  /// `groups` divides both numbers of channels.
  package init(_ windows: ImageWindows, channels: Int, outputChannels: Int, groups: Int) {
    precondition(groups > 0 && channels % groups == 0 && outputChannels % groups == 0)
    (self.windows, self.channels, self.outputChannels, self.groups) = (windows, channels, outputChannels, groups)
  }

  private var shape: lk_convolution {
    lk_convolution(
      height: windows.size.height, width: windows.size.width, channels: channels,
      out_height: windows.outputSize.height, out_width: windows.outputSize.width, out_channels: outputChannels,
      kernel_height: windows.kernel.height, kernel_width: windows.kernel.width, stride_y: windows.stride.height,
      stride_x: windows.stride.width, dilation_y: windows.dilation.height, dilation_x: windows.dilation.width,
      pad_top: windows.padding.top, pad_left: windows.padding.left, groups: groups)
  }

  private var inputCount: Int { windows.size.height * windows.size.width * channels }
  private var outputCount: Int { windows.outputSize.height * windows.outputSize.width * outputChannels }
  private var weightCount: Int { windows.kernel.height * windows.kernel.width * channels / groups * outputChannels }

  /// `outputs` = activation(convolution(`inputs`) + `bias`), as ``linear(inputs:weight:bias:activation:into:activated:scratch:)``
  /// does it.
  package func forward(
    inputs: Floats, weight: Floats, bias: Floats?, activation: Activation?, into outputs: MutableFloats,
    activated: MutableFloats?, scratch: inout LayerScratch
  ) {
    let examples = outputs.count / max(outputCount, 1)
    precondition(
      inputs.count == examples * inputCount && outputs.count == examples * outputCount && weight.count == weightCount
        && (activated?.count ?? outputs.count) == outputs.count && (bias?.count ?? outputChannels) == outputChannels,
      "a convolution of \(inputs.count) values by \(weight.count) into \(outputs.count)")
    precondition(bias != nil || (activation == nil && activated == nil), "an activation without bias")
    var shape = shape
    kernels.convolution(
      outputs.base, activated?.base, inputs.base, weight.base, bias?.base, examples, &shape,
      activation?.kernel ?? LK_IDENTITY, scratch.reserve(kernels.convolution_scratch(&shape)).base)
  }

  /// `inputGradients` = the gradient with respect to the inputs, times the derivative of the activation that gave them.
  ///
  /// - Parameter before: that activation, and what it kept; nil for none.
  package func inputGradient(
    outputGradients: Floats, weight: Floats, through before: (activation: Activation, kept: Floats)?,
    into inputGradients: MutableFloats, scratch: inout LayerScratch
  ) {
    let examples = inputGradients.count / max(inputCount, 1)
    precondition(
      outputGradients.count == examples * outputCount && inputGradients.count == examples * inputCount
        && weight.count == weightCount && (before?.kept.count ?? inputGradients.count) == inputGradients.count,
      "\(inputGradients.count) values for \(outputGradients.count) output gradients")
    var shape = shape
    kernels.convolution_input_gradient(
      inputGradients.base, outputGradients.base, weight.base, before?.kept.base, examples, &shape,
      before?.activation.kernel ?? LK_IDENTITY, scratch.reserve(kernels.convolution_scratch(&shape)).base)
  }

  /// `gradient` = the gradient of one micro-batch with respect to the weight.
  package func weightGradient(
    inputs: Floats, outputGradients: Floats, into gradient: MutableFloats, scratch: inout LayerScratch
  ) {
    let examples = inputs.count / max(inputCount, 1)
    precondition(
      inputs.count == examples * inputCount && outputGradients.count == examples * outputCount
        && gradient.count == weightCount,
      "the gradient of \(inputs.count) inputs and \(outputGradients.count) output gradients")
    var shape = shape
    kernels.convolution_weight_gradient(
      gradient.base, inputs.base, outputGradients.base, examples, &shape,
      scratch.reserve(kernels.convolution_scratch(&shape)).base)
  }
}
