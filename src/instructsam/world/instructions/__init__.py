"""Instructions about a scene.

- `families`, `groups`, `chatty`, `negatives`, `nouns`, `invented`, `caption`: programs and texts to propose.
- `choosing`, `wording`: the choice among them, and their words.
- `generate`, `instruction`: the instructions of a scene, with their answers.
"""
