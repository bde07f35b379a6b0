"""The model: parts and forward passes. It knows no losses, files or images.

- `configuration`, `presets`: the sizes of all parts.
- `vlm`, `detector`, `variants`: the three seams, each a protocol with a registry (`parts`: their lookup).
- `queries`, `attention`, `projector`, `features`, `shared_prefix`: the parts that join VLM and detector.
- `instructsam`: the whole model; its forward pass is the method.
- `generation`, `released`: decoding.
- `initialization`, `initial_weights`: weights of models that train from scratch.
"""
