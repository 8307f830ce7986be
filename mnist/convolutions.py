"""Faster gradients of convolutions, where TensorFlow's are slow.

The gradient tells how much the loss grows with each number of a filter. For the number in row i,
column j, for channel c, it is the sum of image[y + i, x + j, c] * error[y, x] over all places
(y, x) and all images of the batch; error is the gradient of the layer's own answers. That is a
convolution again: the errors slide over the images. TensorFlow has a routine of its own for it. On
a processor with `avx512_bf16` but without `amx`, in 16 bits, that routine is slower than a
convolution where images are small: there we take the convolution.
"""

import keras

from mnist.precision import processor_features

LARGEST = 9  # rows or columns of a layer's answer: with more, both ways are about equally fast


def quicken_convolutions(model) -> None:
    """Let the layers of a model compute the gradients of their filters the quicker way.

    Changes nothing but layers that compute in 16 bits, on such a processor, with TensorFlow and no
    GPU. The gradients are the same but for rounding; saved files are those of any Keras model.

    Args:
        model: its `Conv2D` layers get a `convolution_op` of their own. Call before `compile`.
    """
    features = processor_features()
    if keras.backend.backend() != "tensorflow" or "amx_bf16" in features:
        return
    if "avx512_bf16" not in features or keras.distribution.list_devices("gpu"):
        return
    for layer in model.layers:
        if (
            type(layer) is keras.layers.Conv2D
            and layer.compute_dtype == "bfloat16"
            and (layer.strides, layer.dilation_rate, layer.groups) == ((1, 1), (1, 1), 1)
            and (layer.padding, layer.data_format) == ("valid", "channels_last")
            and layer.input.shape[-1] > 1
            and all(size and size <= LARGEST for size in layer.output.shape[1:3])
        ):
            layer.convolution_op = convolve


def convolve(images, filters):
    """Convolve, with the gradient of the filters as a convolution.

    Args:
        images: tensor of shape (batch, rows, columns, channels).
        filters: tensor of shape (filter rows, filter columns, channels, filters), of the same
            dtype.

    Returns:
        Tensor of shape (batch, rows - filter rows + 1, columns - filter columns + 1, filters).
    """
    import tensorflow as tf

    @tf.custom_gradient
    def differentiable(images, filters):
        def gradients(errors):
            of_images = tf.nn.conv2d_transpose(
                errors, filters, tf.shape(images), strides=1, padding="VALID"
            )
            # Every convolution sums over channels. Here the sum is to be over the images of the
            # batch, so they become the channels: (256, 9, 9, 96) turns into (96, 9, 9, 256).
            channels_as_images = tf.transpose(images, [3, 1, 2, 0])
            errors_as_filters = tf.transpose(errors, [1, 2, 0, 3])
            of_filters = tf.nn.conv2d(
                channels_as_images, errors_as_filters, strides=1, padding="VALID"
            )
            return of_images, tf.transpose(of_filters, [1, 2, 0, 3])

        return tf.nn.conv2d(images, filters, strides=1, padding="VALID"), gradients

    return differentiable(images, filters)
