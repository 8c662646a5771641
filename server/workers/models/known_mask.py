"""An attention mask on a GPU that tells from the host whether it masks anything.

Most of transformers' models ask just that of every batch's mask, to choose a kernel; they would wait for all
the work that is queued on the GPU before it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

# Questions about a whole mask, by the functions that transformers asks them with.
_QUESTIONS = (Tensor.all, Tensor.sum)
_SAME_NUMBERS = (Tensor.to, Tensor.bool, Tensor.view)


class KnownMask(Tensor):
    """A mask whose `all()` and `sum()` are on the host, in any type and shape; a plain tensor to all else.

    Attributes:
        answers: them, by function.
    """

    answers: Mapping[Any, Tensor]

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Answer what is known; do everything else as for any tensor."""
        if func in _QUESTIONS and len(args) == 1 and not kwargs:
            return args[0].answers[func]
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        same = func in _SAME_NUMBERS and not result.is_floating_point()
        return _known(result, args[0].answers) if same else result


def known_mask(mask: Tensor, sent: Tensor) -> KnownMask:
    """A mask of zeros and ones, as it was sent to a device from the host."""
    return _known(sent, {question: question(mask) for question in _QUESTIONS})


def _known(tensor: Tensor, answers: Mapping[Any, Tensor]) -> KnownMask:
    known = tensor.as_subclass(KnownMask)
    known.answers = answers
    return known
