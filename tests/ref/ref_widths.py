"""Widths as the engine's builders scale them."""


def scaled(channels, width):
    return max(1, int(channels * width + 0.5))
