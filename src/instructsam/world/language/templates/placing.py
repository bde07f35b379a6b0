"""Templates for places, ranks and comparisons."""

from __future__ import annotations

from instructsam.world.language.templates.table import table

SPATIAL = table(
    """
    q what do you see {whatever}?
    q what lies {whatever}?
    q what can be seen {whatever}?
    q is there anything {whatever}?
    q is there something {whatever}?
    q which objects can you find {whatever}?
    q can you show me what is {whatever}?
    q can you segment the {head} {mod}?
    q could you outline whatever is {whatever}?
    q do you see the {head} {mod}?
    q where exactly {is} the {head} {mod}?
    c segment the {head} {mod}
    c mark the {head} {mod}
    c find the {head} lying {mod}
    c select any {head} {mod}
    c show me whatever is {whatever}
    c highlight all you can see {whatever}
    c outline anything {whatever}
    c mark all {several}
    c mark the things {whatever}
    c look at the {heads} and segment {the}
    c look {whatever} and segment what is there
    c I mean the {head} {mod}
    c I need everything that lies {whatever}
    f {head} {mod}
    f the {head} {mod}
    f {mod}: the {head}
    f the things {whatever}
    f all objects {whatever}
    """,
    """
    c go to {the}
    c pick everything located {whatever}
    c take the {head} found {mod}
    c scan the {heads} and stop at {the}
    c concentrate on the area {whatever} and trace what is in it
    q what have we got {whatever}?
    q what sits {whatever}?
    q {mod}, which {head} do you see?
    q may I have the {head} positioned {mod}?
    f stuff {whatever}
    f the {head} that you come across {mod}
    """,
)

ORDINAL = table(
    """
    q which {head} {is} {rank_one}?
    q which {head} {is} {rank}?
    q which of the {heads} {is} {rank}?
    q which one of the {heads} is {rank_one}?
    q can you see which {head} {is} {rank}?
    q can you find {one} among the {heads}?
    q of the {heads}, which {is} {rank}?
    q looking at the {heads}, which {is} {one}?
    q which {head} do I get to if I count to the {nth} from the {side}?
    q could you pick {one} out of all the {heads}?
    c of the {heads}, segment {one}
    c out of all the {heads}, find {one}
    c among the {heads}, highlight {one}
    c compare the {heads} and mark {one}
    c look at all the {heads} and give me {one}
    c line up the {heads} in your mind and choose {one}
    c find the {head} that {is} {rank}
    c segment the {head} which {is} {rank}
    c just {the}, nothing else
    c I mean the {nth} {head} when you count from the {side}
    c counting from the {side}, segment the {nth} {head}
    c counting the {heads} from the {side}, give me the {nth}
    c start at the {side} and take the {nth} {head}
    c number the {heads} from the {side} and mark the {nth}
    f of the {heads}, {one}
    f from the {side}, the {nth} {head}
    f {the} only
    f among all the {heads}, {one}
    f {nth} {head}, counted from the {side}
    """,
    """
    c go through the {heads} and pick {one}
    c single out {the}
    q what {head} among those {is} {rank}?
    c walk in from the {side} to the {nth} {head}
    c rank the {heads} and take {one}
    c beginning at the {side}, stop when you reach the {nth} {head}
    q what {head} {is} {rank_one}?
    q which would be {the}?
    q what do I hit as the {nth} {head} coming from the {side}?
    f {the} and no other
    f out of every one of the {heads}, {one}
    """,
)

COMPARISON = table(
    """
    q which {head} {is} {mod}, would you say?
    q which of these {heads} {is} {mod}?
    q which objects here are {whatever}?
    q is there anything that is {whatever}?
    q do you see any {heads} {mod}?
    q do you see anything {whatever}?
    q can you find the {head} that {is} {mod}?
    q can you mark everything {whatever}?
    q could you compare the {heads} and show me {the}?
    q can you tell which {head} {is} {mod}?
    c compare the {heads} and find the {head} that {is} {mod}
    c compare everything and segment what is {whatever}
    c look for the {head} that {is} {mod}
    c outline the {head} which {is} {mod}
    c point out the {head} that {is} {mod}
    c pick out anything that is {whatever}
    c find things that are {whatever}
    c select everything that is {whatever}
    c show me what is {whatever}
    c from all the {heads}, choose what is {mod}
    c I want the {head} that {is} {mod}
    c I'm looking for something {whatever}
    c choose the {head} {mod}
    f of the {heads}, what is {mod}
    f any object {whatever}
    f all things that are {whatever}
    f everything in sight that is {whatever}
    """,
    """
    q what {head} would you say {is} {mod}?
    q does anything here happen to be {whatever}?
    q side by side, which {head} {is} {mod}?
    c match things up and take what is {whatever}
    c weigh up the {heads} and keep what is {mod}
    c judge by eye which {head} {is} {mod}, then trace your choice
    c pull out the lot that is {whatever}
    f whatever you find that is {whatever}
    f those {heads} found to be {mod}
    """,
)
