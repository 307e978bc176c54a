"""The tile networks: shapes that a card can name in a few bounded numbers, built by our own code.

`shape` says what every network offers, `residual_cnn` and `efficientnet_lite` are the two there are, `catalog` finds
one by its name, `build` makes the Keras model and moves weights, `imagenet` brings pretrained ones.
"""
