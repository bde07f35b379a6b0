"""Augmentation of training samples: crop, scale, flip and colour, with masks, boxes and words. No torch."""
