"""The networks of slide models, written once over few operations: trained by Keras, run by NumPy; and their heads."""
