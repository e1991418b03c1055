"""rFVD: the metric, the I3D network whose features it compares, and where that network's weights are published."""
