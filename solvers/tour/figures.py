"""The look of the tour's figures."""

INK, BLUE, ORANGE, GREEN, GREY = "#1f2933", "#2b6cb0", "#dd6b20", "#2f855a", "#a0aec0"

_STYLE = {
    "figure.dpi": 130,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.prop_cycle": "cycler('color', ['#2b6cb0', '#dd6b20', '#2f855a', '#805ad5'])",
    "legend.frameon": False,
}


def figure(*, width=9.0, height=3.6, **layout):
    """``matplotlib`` figure and axes in the tour's style, drawn without a display."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(_STYLE):
        return pyplot.subplots(figsize=(width, height), **layout)


def save(drawing, out, name):
    """Write the figure as ``out/name`` and free it."""
    from matplotlib import pyplot

    drawing.savefig(out / name)
    pyplot.close(drawing)


def show_digits(axes, images, *, columns):
    """Draw flat 8 × 8 images, pixels from −1 to 1, as one mosaic on `axes`."""
    import numpy as np

    rows = -(-len(images) // columns)
    canvas = np.full((rows * 9 - 1, columns * 9 - 1), -1.0)
    for k, image in enumerate(np.asarray(images)):
        i, j = divmod(k, columns)
        canvas[9 * i : 9 * i + 8, 9 * j : 9 * j + 8] = image.reshape(8, 8)
    axes.imshow(canvas, cmap="gray_r", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_axis_off()
