"""What runs a network: LiteRT for the packaged int8 file, TensorFlow for the float32 reference."""
