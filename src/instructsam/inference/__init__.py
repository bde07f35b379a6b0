"""Answers to instructions about images.

- `loading`, `building`: a `Segmenter` from a checkpoint or from pretrained bases.
- `requests`, `segmenter`, `batch_segmenter`, `answers`: one call, from checked arguments to predictions.
- `run_requests`, `folder_run`, `image_list`, `answer_log`, `answer_lines`, `overlay_names`: runs over many images.
- `threads`, `auto`: threads of torch, and the Auto classes of transformers.
"""
