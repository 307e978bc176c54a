"""What a person takes out of the viewer: chosen slides as one ZIP."""
