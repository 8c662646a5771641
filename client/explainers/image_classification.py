"""Drop-in explainers for image classification."""

from collections.abc import Sequence
from typing import Any

from ligserve.client.aio import AsyncClient
from ligserve.client.explainers.awaited import AwaitedExplainer
from ligserve.client.explainers.blocking import BlockingExplainer
from ligserve.client.explainers.construction import checked_client
from ligserve.client.explainers.image_core import ImageCall, ImageClassificationCore
from ligserve.client.images.sending import ImageLike
from ligserve.client.sync import Client
from ligserve.client.types.enums import OutputSpace


class ImageClassificationExplainer(ImageClassificationCore, BlockingExplainer):
    """Answers as transformers-interpret's class of this name does, from a server.

        explainer = ImageClassificationExplainer(client, "vit")
        scores = explainer(Image.open("photo.jpg"))  # numpy array of (1, 3, 224, 224)
        explainer.visualize("photo_overlay.png")

    Unlike the library it explains the class that `index=0` or `class_name` asks for. Its noise has a seed, so
    that the same call gives the same answer.

    Raises:
        TypeError: the client is not one, such as the library's model.
        ValueError: the attribution type is neither "IG" nor "IGNT", or there are not as many custom labels as
            the model has labels.
        LigserveError: custom labels are given, and the server cannot be asked for the model's.
    """

    def __init__(
        self,
        client: Client,
        model_name: str,
        attribution_type: str = "IGNT",
        custom_labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(model_name, attribution_type, custom_labels)
        self._client = checked_client(client, Client, model_name, self)
        if self.custom_labels:
            self._learn(client.model(model_name))

    def __call__(
        self,
        image: ImageLike,
        index: int | None = None,
        class_name: str | None = None,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        n_steps_noise_tunnel: int | None = None,
        noise_tunnel_n_samples: int | None = None,
        noise_tunnel_type: str = "smoothgrad",
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        seed: int | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Scores of every pixel value for a class: by index, else by name, else the predicted one.

        Args:
            image: a PIL image, an array of uint8, or the bytes of a PNG or JPEG file.
            index: position of the class.
            class_name: name of the class.
            internal_batch_size: recorded, without effect.
            n_steps: steps of type "IG", from this call on.
            n_steps_noise_tunnel: steps for each noisy copy of type "IGNT", from this call on.
            noise_tunnel_n_samples: number of noisy copies, from this call on.
            noise_tunnel_type: "smoothgrad", "smoothgrad_sq" or "vargrad".
            tolerance: relative error to reach, in place of a number of steps.
            output_space: the function of the logits; None: the logit, as the library has it.
            seed: of the noise; None: the server's default.
            timeout: seconds; None: the client's default.

        Returns:
            (1, channels, height, width) in float32: a numpy array where numpy is installed, else lists.

        Raises:
            KeyError: there is no class of that name.
            LigserveError: any of its tree.
            TypeError: the image is none, such as a path.
            ValueError: the type of noise is unknown, or steps and tolerance are both given.
        """
        call = ImageCall(
            image,
            index,
            class_name,
            internal_batch_size,
            n_steps,
            n_steps_noise_tunnel,
            noise_tunnel_n_samples,
            noise_tunnel_type,
            tolerance,
            output_space,
            seed,
            timeout,
        )
        if self._needs_labels(call):
            self._learn(self._client.model(self.model_name))
        return self._finish(self._explained(self._asked(call)))


class AsyncImageClassificationExplainer(ImageClassificationCore, AwaitedExplainer):
    """`ImageClassificationExplainer` with an awaitable call.

        explainer = AsyncImageClassificationExplainer(client, "vit")
        scores = await explainer(Image.open("photo.jpg"))  # numpy array of (1, 3, 224, 224)

    Custom labels are checked at the first call, since a constructor cannot await.

    Raises:
        TypeError: the client is not one, such as the library's model.
        ValueError: the attribution type is neither "IG" nor "IGNT".
    """

    def __init__(
        self,
        client: AsyncClient,
        model_name: str,
        attribution_type: str = "IGNT",
        custom_labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(model_name, attribution_type, custom_labels)
        self._client = checked_client(client, AsyncClient, model_name, self)

    async def __call__(
        self,
        image: ImageLike,
        index: int | None = None,
        class_name: str | None = None,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        n_steps_noise_tunnel: int | None = None,
        noise_tunnel_n_samples: int | None = None,
        noise_tunnel_type: str = "smoothgrad",
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        seed: int | None = None,
        timeout: float | None = None,
    ) -> Any:
        """As `ImageClassificationExplainer.__call__`.

        Raises:
            KeyError: there is no class of that name.
            LigserveError: any of its tree.
            TypeError: the image is none, such as a path.
            ValueError: the type of noise is unknown, steps and tolerance are both given, or custom labels do
                not fit.
        """
        call = ImageCall(
            image,
            index,
            class_name,
            internal_batch_size,
            n_steps,
            n_steps_noise_tunnel,
            noise_tunnel_n_samples,
            noise_tunnel_type,
            tolerance,
            output_space,
            seed,
            timeout,
        )
        if self._needs_labels(call):
            await self.load()
        return self._finish(await self._explained(self._asked(call)))
