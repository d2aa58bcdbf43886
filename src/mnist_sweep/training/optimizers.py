"""How weights follow their gradients: by TensorFlow's fused kernels where they do what Keras does, else by Keras."""

from __future__ import annotations

import math
from typing import Any

from mnist_sweep.plan.recipe import Recipe
from mnist_sweep.training.model import build_optimizer, optimizer_starts
from mnist_sweep.training.runtime import tensorflow


def make_optimizer(recipe: Recipe, weights: list[Any]) -> _Adam | _Sgd | _RmsProp | _OfKeras:
    """The fastest optimizer of the shape's kind that gives what Keras gives, for these Keras variables.

    Its parts of graphs: `reset` makes it as new for the weights as they are now; `apply` moves them by a gradient each,
    float32, with a learning rate and the number of the step from 1, tf.float32 scalars.
    """
    if recipe.optimizer == "adam":
        return _Adam(weights)
    if recipe.optimizer == "sgd":
        return _Sgd(weights, recipe.momentum)
    if recipe.optimizer == "rmsprop":
        return _RmsProp(weights)
    return _OfKeras(recipe, weights)


class _Fused:
    """What the fused kernels share: slots of zeros beside each weight."""

    def __init__(self, weights: list[Any], n_slots: int) -> None:
        tf = tensorflow()
        self._weights = [weight.value for weight in weights]
        self._slots = [[tf.Variable(tf.zeros_like(weight)) for weight in self._weights] for _ in range(n_slots)]

    def reset(self) -> None:
        for slot in self._slots:
            for variable in slot:
                variable.assign(tensorflow().zeros_like(variable))


class _Adam(_Fused):
    """Adam with Keras's defaults: https://keras.io/api/optimizers/adam/, https://arxiv.org/abs/1412.6980.

    The kernel computes 1 − β2 in float32, which is 4.7e-5 too large and moves the weights by 2e-4 within 20 steps. It
    makes the second moment κ = (1 − float32(β2)) / (1 − β2) times too large; the step is the same again when learning
    rate and ε are multiplied by √κ.
    """

    _BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7

    def __init__(self, weights: list[Any]) -> None:
        super().__init__(weights, n_slots=2)

    def apply(self, gradients: list[Any], learning_rate: Any, step: Any) -> None:
        import numpy as np

        tf = tensorflow()
        root = math.sqrt((1 - float(np.float32(self._BETA_2))) / (1 - self._BETA_2))
        powers = {
            f"beta{i}_power": tf.pow(tf.constant(beta), step) for i, beta in ((1, self._BETA_1), (2, self._BETA_2))
        }
        for weight, first, second, gradient in zip(self._weights, *self._slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                **powers,
                lr=learning_rate * root,
                beta1=self._BETA_1,
                beta2=self._BETA_2,
                epsilon=self._EPSILON * root,
                grad=gradient,
            )


class _Sgd(_Fused):
    """Gradient descent, with momentum if it is above 0: https://keras.io/api/optimizers/sgd/."""

    def __init__(self, weights: list[Any], momentum: float) -> None:
        super().__init__(weights, n_slots=1 if momentum else 0)
        self._momentum = momentum

    def apply(self, gradients: list[Any], learning_rate: Any, step: Any) -> None:  # noqa: ARG002  no step differs
        raw = tensorflow().raw_ops
        for i, (weight, gradient) in enumerate(zip(self._weights, gradients, strict=True)):
            if self._momentum:
                velocity = self._slots[0][i].handle
                raw.ResourceApplyKerasMomentum(
                    var=weight.handle, accum=velocity, lr=learning_rate, grad=gradient, momentum=self._momentum
                )
            else:
                raw.ResourceApplyGradientDescent(var=weight.handle, alpha=learning_rate, delta=gradient)


class _RmsProp(_Fused):
    """RMSprop with Keras's defaults: https://keras.io/api/optimizers/rmsprop/."""

    _RHO, _EPSILON = 0.9, 1e-7

    def __init__(self, weights: list[Any]) -> None:
        super().__init__(weights, n_slots=2)

    def apply(self, gradients: list[Any], learning_rate: Any, step: Any) -> None:  # noqa: ARG002  no step differs
        for weight, square, momentum, gradient in zip(self._weights, *self._slots, gradients, strict=True):
            tensorflow().raw_ops.ResourceApplyRMSProp(
                var=weight.handle,
                ms=square.handle,
                mom=momentum.handle,
                lr=learning_rate,
                rho=self._RHO,
                momentum=0.0,
                epsilon=self._EPSILON,
                grad=gradient,
            )


class _OfKeras:
    """Any other optimizer, as Keras has it; some start from the weights themselves."""

    def __init__(self, recipe: Recipe, weights: list[Any]) -> None:
        self._weights = weights
        self._optimizer = build_optimizer(recipe, 0.001, weights)
        self._starts = optimizer_starts(self._optimizer, weights)

    def reset(self) -> None:
        for variable, start in zip(self._optimizer.variables, self._starts, strict=True):
            variable.assign(start)

    def apply(self, gradients: list[Any], learning_rate: Any, step: Any) -> None:  # noqa: ARG002  it counts itself
        self._optimizer.learning_rate = learning_rate
        self._optimizer.apply(gradients, self._weights)
