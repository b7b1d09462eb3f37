"""Networks with the shapes of their papers; importing this package registers all of them, building none."""

from . import alexnet_vgg, densenet_squeezenet, inception, resnet

__all__ = ["alexnet_vgg", "densenet_squeezenet", "inception", "resnet"]
