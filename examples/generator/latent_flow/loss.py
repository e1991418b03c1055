"""The loss of flow matching."""

from mindspore import nn, ops


class FlowMatchingLoss(nn.Cell):
    """The loss `flow_matching`: mean squared error of the velocity."""

    def construct(self, outputs, *batch):
        """A scalar, of what the model gives: predicted and true velocity, of one shape."""
        predicted, true = outputs
        return ops.square(predicted - true).mean()
