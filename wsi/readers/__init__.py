"""One backend each: OpenSlide, tiled JPEG TIFF, plain images. `wsi.registry` holds their order."""
