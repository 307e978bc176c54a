"""An ONNX file from a stranger, read as bytes: what it holds, and whether all of it is allowed. Runs nothing."""
