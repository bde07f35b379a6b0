"""Model folders: names, files, layouts, weights.

- `resolve`, `hub`: a name or hub id becomes a local folder.
- `folder`, `headers`, `inspect`, `limits`: configuration and files of a folder, checked before weights are loaded.
- `opening`, `processors`, `adapters`, `adapted`, `quantize`, `finite`: a folder becomes a model with its processor.
- `assemble`, `stock`: a new model from pretrained bases.
- `convert`, `published_layout`, `published_sizes`, `saving`: the layouts, and writing.
- `devices`, `fingerprint`, `quiet`, `scope`: shared by all of these.
"""
