"""What the images for sources have in common: the contract of docs/src/images.md, and a reader for each kind of source."""
