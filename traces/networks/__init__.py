"""Networks with the shapes of their papers; importing this package registers all of them, building none."""

from . import (
    alexnet_vgg,
    attention,
    deepseek,
    densenet_squeezenet,
    dit,
    encoders,
    inception,
    language,
    lowformer,
    metaformer,
    mobilenet,
    monarch,
    regnet,
    resnet,
    shufflenet,
)

__all__ = [
    "alexnet_vgg", "attention", "deepseek", "densenet_squeezenet", "dit", "encoders", "inception", "language", "lowformer",
    "metaformer", "mobilenet", "monarch", "regnet", "resnet", "shufflenet",
]
