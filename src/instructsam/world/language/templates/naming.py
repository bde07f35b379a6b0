"""Templates for plain names, for attributes, and for all objects."""

from __future__ import annotations

from instructsam.world.language.templates.table import table

EVERYTHING = table(
    """
    c segment everything
    c segment all the objects
    c segment everything you can see
    c outline every object
    c outline all of it
    c mark all the things
    c mark every item in the picture
    c show me everything
    c show me all that you can find
    c find every single thing
    c cut out every object
    c select all items
    c give me a mask for every object
    c I want everything in the picture
    c leave nothing out, segment it all
    q what is in the picture?
    q what can you see?
    q which objects are there?
    q can you segment every object?
    q could you outline everything for me?
    f everything
    f everything, please
    f all objects
    f all of the things
    f every object in the image
    """,
    """
    c trace each and every thing
    c mask whatever is there
    c pick out all there is to see
    c miss nothing, take the lot
    q what's in this image?
    q what do we have here?
    f the whole lot
    f any and all things
    """,
)

CATEGORY = table(
    """
    q which of these {is} {the}?
    q which things are {several}?
    q any {several} here?
    q how many {several} are there? Show me
    q do you see {a}?
    q do you see {the} here?
    q have you got {a} there?
    q has anyone seen {the}?
    q are there {several} in here?
    q can you pick all the {several} out?
    q what in this picture would you call {several}?
    c look for {the}
    c look for {bare}
    c count {the} and mask {them}
    c find me {the}
    c find me {a} if you can
    c detect all {several}
    c detect every {each}
    c check for {bare}
    f if you see {a}, segment {them}
    c point at {the}
    c get all the {several}
    c I'm looking for {a}
    f segmentation of {bare}
    f mask: {bare}
    f {several}, all of them
    f {bare} only
    """,
    """
    q got {a}?
    q would you say there {is} {a}?
    q where did {the} go?
    q who can spot {the}?
    c hunt for {the}
    c round up all {several}
    c track down {the}
    c call out every {each}
    f {the} here
    """,
)

ATTRIBUTE = table(
    """
    q which of the {heads} {is} {mod}?
    q do any of the {heads} look {mod}?
    q do you see the {head} that {is} {mod}?
    q can you segment the {head} that {is} {mod}?
    q could you show me anything {whatever}?
    q is there anything {whatever} here?
    q what here is {whatever}?
    q which objects are {whatever}?
    q among the {heads}, which {is} {mod}?
    c out of the {heads}, take {the}
    c I only want {the}, not the rest of the {heads}
    c out of all the {heads}, find what is {mod}
    c look at the {heads} and find what is {mod}
    c look for anything {whatever}
    c mark the {head} described as {mod}
    c mark all things {whatever}
    c highlight whatever is {whatever}
    c select the {head} that {is} {mod}
    c give me the {head} that {is} {mod}
    c give me everything {whatever}
    c I mean the {head} that {is} {mod}
    c I want whatever is {whatever}
    f only {the}, no other {heads}
    f any {head} that {is} {mod}
    f of the {heads}, those that look {mod}
    f all that is {whatever}
    f objects that are {whatever}
    """,
    """
    c keep just the {head} that {is} {mod}
    c go by looks and take the {head} that {is} {mod}
    c sift through the {heads} for {the}
    c collect every object that looks {whatever}
    q does anything look {whatever}?
    q what sort of thing here is {whatever}?
    q have we any {heads} that might be called {mod}?
    f whatever turns out to be {whatever}
    f those {heads} you would describe as {mod}
    """,
)
