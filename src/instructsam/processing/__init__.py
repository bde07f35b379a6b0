"""Images and texts as tensors, and outputs as instances.

- `settings`, `tokenizer_files`: the inputs as the model's configuration fixes them.
- `tokens`, `conversation`, `padding`: from texts to ids.
- `processor`, `results`: both directions.
"""
