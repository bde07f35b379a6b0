"""Drawn scenes with exact masks, and instructions about them whose answers are computed.

Imports point one way, from the last to the first:

- `scenes`: objects, layouts, drawings, pixels and masks, and the facts that answers are computed from.
- `language`: nouns and their synonyms, noun phrases, templates, typos, and what objects are for.
- `programs`: one file per operation, with its node, answer, canonical phrase, words, slots and proposals.
- `instructions`: families of instructions, the choice of programs worth asking, and their words.
- `splits`: the training stream and the benchmark splits.
"""
