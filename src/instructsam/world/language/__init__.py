"""Words of the world: nouns, synonyms, noun phrases, templates, typos and functions of objects."""
