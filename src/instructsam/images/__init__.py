"""The one image loader: files, PIL images and arrays become upright 8-bit RGB images, or an `ImageError`."""
