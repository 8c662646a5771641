"""Figures of matplotlib as transformers-interpret draws them (by captum's visualize_image_attr)."""

import builtins
from dataclasses import dataclass
from typing import Any

from ligserve.client.images.heat import heat
from ligserve.client.images.needed import needed

METHODS = ("heatmap", "overlay", "alpha_scaling", "masked_image")
SIGNS = ("all", "positive", "negative", "absolute")
_TITLES = {
    "overlay": ("Heatmap Overlay IG", "Heatmap overlay IG"),
    "heatmap": ("Heatmap IG", "Heatmap IG"),
    "alpha_scaling": ("Alpha Scaling IG", "Alpha Scaled IG"),
    "masked_image": ("Masked Image IG", "Masked Image IG"),
}
_COLOURS = {"positive": "Greens", "negative": "Reds", "absolute": "Blues"}
_OVERLAY_OPACITY = 0.5


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn.

    Attributes:
        scores: numpy array of (H, W), summed over the colour channels.
        image: numpy array of (H, W, C): 0..255, or the pixel values that the model sees.
        method: one of METHODS.
        sign: one of SIGNS; not "all" for "alpha_scaling" and "masked_image".
        outlier_percent: share of the scores, the largest ones, that are drawn alike.
        predicted: the predicted class, for the title.
    """

    scores: Any
    image: Any
    method: str
    sign: str
    outlier_percent: float
    predicted: str

    def figure(self, *, side_by_side: bool) -> tuple[Any, Any]:
        """The figure and its axes, one or a list of two; shown at once in a notebook.

        Raises:
            ImportError: matplotlib is not installed.
        """
        figures = needed("matplotlib.figure", "matplotlib")
        pyplot = needed("matplotlib.pyplot", "matplotlib") if hasattr(builtins, "__IPYTHON__") else None
        make = figures.Figure if pyplot is None else pyplot.figure
        alone, beside = _TITLES[self.method]
        figure = make(figsize=(8, 6) if side_by_side else (6, 6))
        axes: Any
        if side_by_side:
            axes = figure.subplots(1, 2, squeeze=True).tolist()
            self._draw(figure, axes[0], "original_image", "Original Image")
            self._draw(figure, axes[1], self.method, f"{beside}. Prediction: {self.predicted}")
            figure.tight_layout()
        else:
            axes = figure.subplots()
            self._draw(figure, axes, self.method, f"{alone}. Prediction - {self.predicted}")
        if pyplot is not None:
            pyplot.show()
        return figure, axes

    def _draw(self, figure: Any, axis: Any, method: str, title: str) -> None:
        axis.xaxis.set_ticks_position("none")
        axis.yaxis.set_ticks_position("none")
        axis.set_yticklabels([])
        axis.set_xticklabels([])
        axis.grid(visible=False)
        coloured = self._draw_image(axis, method)
        divider = needed("mpl_toolkits.axes_grid1", "matplotlib").make_axes_locatable(axis)
        below = divider.append_axes("bottom", size="5%", pad=0.1)
        if coloured is None:
            below.axis("off")
        else:
            figure.colorbar(coloured, orientation="horizontal", cax=below)
        axis.set_title(title)

    def _draw_image(self, axis: Any, method: str) -> Any:
        """Draw in one way; what a colour bar belongs to, None for nothing."""
        np = needed("numpy", "numpy")
        image = _intensities(np, self.image * 255) if self.image.max() <= 1.0 else self.image
        if method == "original_image":
            axis.imshow(image[:, :, 0] if image.shape[2] == 1 else image)
            return None
        values = heat(self.scores, self.sign, self.outlier_percent)
        if method == "masked_image":
            axis.imshow(_intensities(np, image * values[:, :, None]))
            return None
        if method == "alpha_scaling":
            axis.imshow(np.concatenate([image, _intensities(np, values[:, :, None] * 255)], axis=2))
            return None
        opacity = None
        if method == "overlay":
            axis.imshow(image.mean(axis=2), cmap="gray")
            opacity = _OVERLAY_OPACITY
        lowest = -1 if self.sign == "all" else 0
        return axis.imshow(values, cmap=self._colours(), vmin=lowest, vmax=1, alpha=opacity)

    def _colours(self) -> Any:
        if self.sign != "all":
            return _COLOURS[self.sign]
        maps = needed("matplotlib.colors", "matplotlib").LinearSegmentedColormap
        return maps.from_list("RdWhGn", ["red", "white", "green"])


def _intensities(np: Any, values: Any) -> Any:
    return np.clip(values.astype(int), 0, 255)
