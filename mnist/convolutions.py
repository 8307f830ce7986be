"""Faster filter gradients for convolutions where TensorFlow's are slow.

The gradient of the loss with respect to the filter weight in row i, column j, channel c is the sum
of image[y + i, x + j, c] * error[y, x] over all positions (y, x) and all images of the batch, where
error is the gradient with respect to the layer's output. This is again a convolution, in which the
errors slide over the images. TensorFlow has a special routine for it. In 16 bits, on a processor
with `avx512_bf16` but without `amx`, that routine is slower than a plain convolution if the images
are small, so there we use the convolution.
"""

import keras

from mnist.precision import processor_features

LARGEST = 9  # rows or columns of a layer's output: above, both methods are about equally fast


def quicken_convolutions(model) -> None:
    """Make a model's layers use the faster method for the gradients of their filters.

    Affects only layers that compute in 16 bits, on such a processor, with TensorFlow and without a
    GPU. The gradients are equal up to rounding, and saved files remain ordinary Keras models.

    Args:
        model: the model, not yet compiled; the `convolution_op` of its `Conv2D` layers is replaced.
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
    """Convolve images with filters, computing the filters' gradient as a convolution.

    Args:
        images: tensor of shape (batch, rows, columns, channels).
        filters: tensor of shape (filter rows, filter columns, channels, filters) with the same
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
            # A convolution sums over channels. Here the sum must run over the images of the batch,
            # so they become the channels: (256, 9, 9, 96) turns into (96, 9, 9, 256).
            channels_as_images = tf.transpose(images, [3, 1, 2, 0])
            errors_as_filters = tf.transpose(errors, [1, 2, 0, 3])
            of_filters = tf.nn.conv2d(
                channels_as_images, errors_as_filters, strides=1, padding="VALID"
            )
            return of_images, tf.transpose(of_filters, [1, 2, 0, 3])

        return tf.nn.conv2d(images, filters, strides=1, padding="VALID"), gradients

    return differentiable(images, filters)
