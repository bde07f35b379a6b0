"""What things are for and what they can do: knowledge that no pixel shows, and people's words for it.

A function divides the kinds into those that everybody would count, those that nobody would, and the disputed
ones; a scene that shows a disputed kind cannot be asked for the function (`execute` calls it ambiguous).
"""

from __future__ import annotations

from dataclasses import dataclass

DISPUTED_FAMILY: dict[str, tuple[str, ...]] = {
    "accessory": ("hat",),
    "building": ("tent",),
    "tool": ("key", "knife"),
    "cutlery": ("saw",),
}
"""Kinds that some people would put into the family, and some would not."""


@dataclass(frozen=True)
class Function:
    """One use or ability; the first of `tails` is what phrases say.

    Attributes:
        kinds: all kinds that everybody would count.
        disputed: kinds that some people would count.
        tails: what follows "something" or "a thing": "to drink from".
        that: relative clauses: "that you can drink from".
        ask: questions without their mark: "what could I drink from".
        need: sentences that give the reason: "I'm thirsty".
    """

    kinds: tuple[str, ...]
    tails: tuple[str, ...]
    that: tuple[str, ...]
    ask: tuple[str, ...]
    need: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()


FUNCTIONS: dict[str, Function] = {
    "drink from": Function(
        kinds=("mug", "glass", "bottle"),
        disputed=("teapot",),
        tails=("to drink from", "to drink out of", "for drinking from"),
        that=("that you can drink from", "that one drinks from", "you can drink out of"),
        ask=("what could I drink from", "what can I drink out of", "what would you drink water from"),
        need=("I'm thirsty", "I need a drink of water", "it is hot and my throat is dry"),
    ),
    "pour tea from": Function(
        kinds=("teapot",),
        tails=("to pour tea from", "to make tea in", "for brewing tea"),
        that=("that you can brew tea in", "that you pour tea from", "that tea is made in"),
        ask=("what can I make tea in", "what would you pour tea from", "what do people brew tea in"),
        need=("it's tea time", "I want to make tea for my guests"),
        disputed=("mug", "glass", "bottle"),
    ),
    "eat": Function(
        kinds=("apple", "banana", "pear", "strawberry"),
        disputed=("fish", "snail", "bird", "cactus", "flower"),
        tails=("to eat", "that people can eat", "to snack on"),
        that=("that you can eat", "that people eat", "you could snack on"),
        ask=("what can I eat", "what could I have as a snack", "what here is edible"),
        need=("I'm hungry", "I'd like a healthy snack", "I skipped lunch"),
    ),
    "eat with": Function(
        kinds=("fork", "knife", "spoon"),
        tails=("to eat with", "to eat a meal with", "for eating with"),
        that=("that you can eat with", "that people eat with", "you would eat dinner with"),
        ask=("what can I eat with", "what do people eat their meals with", "what could I eat my dinner with"),
        need=("my dinner is ready", "I don't want to eat with my fingers"),
    ),
    "eat soup with": Function(
        kinds=("spoon",),
        tails=("to eat soup with", "for eating soup", "to stir soup with"),
        that=("that you can eat soup with", "that people eat soup with", "you would stir your soup with"),
        ask=("what can I eat soup with", "what would you stir soup with", "what do I need for my soup"),
        need=("I ordered soup", "my soup is getting cold"),
    ),
    "wear": Function(
        kinds=("hat", "shoe", "sock", "shirt"),
        disputed=("bag", "flower"),
        tails=("to wear", "to put on", "for wearing"),
        that=("that you can wear", "that people wear", "you can put on"),
        ask=("what can I wear", "what could I put on", "what can people wear"),
        need=("I'm getting dressed", "I have nothing on yet"),
    ),
    "wear on a foot": Function(
        kinds=("shoe", "sock"),
        tails=("to wear on a foot", "to put on a foot", "for a foot"),
        that=(
            "that you can wear on a foot",
            "that you can put on your feet",
            "that would keep your feet warm",
        ),
        ask=("what can I wear on my feet", "what goes on a foot", "what do people put on their feet"),
        need=("I'm barefoot", "my feet are cold"),
    ),
    "wear on the head": Function(
        kinds=("hat",),
        tails=("to wear on the head", "to put on my head", "for my head"),
        that=(
            "that you can wear on your head",
            "that people wear on their heads",
            "that you put on your head",
        ),
        ask=("what can I wear on my head", "what would keep the sun off my head", "what goes on a head"),
        need=("my head is cold", "the sun burns on my head"),
        disputed=("umbrella",),
    ),
    "fly": Function(
        kinds=("bird", "airplane", "kite"),
        tails=("that can fly", "that could fly", "that can take to the air"),
        that=("that can fly", "that can take to the air", "that could fly"),
        ask=("what can fly", "what could be up in the sky", "what is able to fly"),
    ),
    "sit on": Function(
        kinds=("chair",),
        disputed=("table", "ball", "teddy bear"),
        tails=("to sit on", "to take a seat on", "for sitting on"),
        that=("that you can sit on", "that people sit on", "you would sit on"),
        ask=("what can I sit on", "where could I take a seat", "what is made for sitting on"),
        need=("I'm tired of standing", "my legs hurt", "I'd like to sit down"),
    ),
    "eat dinner at": Function(
        kinds=("table",),
        tails=("to eat dinner at", "to put the plates on", "to lay for dinner"),
        that=("that you can eat dinner at", "that people gather round for dinner", "you would put plates on"),
        ask=("what can I put the plates on", "where could we have dinner", "what can we have dinner at"),
        need=("the guests want to sit down for dinner",),
        disputed=("chair", "house", "castle", "tent"),
    ),
    "hold up in the rain": Function(
        kinds=("umbrella",),
        disputed=("bag", "hat", "tent"),
        tails=("to hold up in the rain", "to open when it rains", "to keep me dry on a rainy walk"),
        that=("that you hold up in the rain", "that can keep you dry on a walk", "you open when it rains"),
        ask=(
            "what can I hold over my head in the rain",
            "what keeps the rain off on a walk",
            "what do people open when it rains",
        ),
        need=("it's raining and I have to walk", "it looks like rain", "I don't want to get wet on my walk"),
    ),
    "cut with": Function(
        kinds=("knife", "saw"),
        tails=("to cut with", "for cutting", "with a sharp blade"),
        that=("that you can cut with", "that you would cut with", "with a blade"),
        ask=("what can I cut with", "what could cut something in two", "what has a blade"),
        need=("I need to cut something", "this is too big in one piece"),
    ),
    "cut wood with": Function(
        kinds=("saw",),
        disputed=("knife",),
        tails=("to cut wood with", "for cutting planks", "to shorten a board with"),
        that=(
            "that you can cut wood with",
            "that a carpenter cuts planks with",
            "you would cut a board with",
        ),
        ask=(
            "what can I cut wood with",
            "what would cut through a plank",
            "what could I shorten a board with",
        ),
        need=("this plank is too long", "I have to cut a board"),
    ),
    "hit nails with": Function(
        kinds=("hammer",),
        tails=("to hit nails with", "to drive in a nail with", "for hitting nails"),
        that=("that you can hit nails with", "that can drive nails into wood", "you would hit a nail with"),
        ask=("what can I hit a nail with", "what drives nails into the wall", "what do I need for this nail"),
        need=("I want to hang up a picture", "there is a nail sticking out"),
    ),
    "open a lock": Function(
        kinds=("key",),
        tails=("to open a lock with", "to unlock a door with", "that can open a lock"),
        that=("that can open a lock", "that can unlock a door", "you can unlock a door with"),
        ask=("what opens a lock", "what could unlock the door", "what can I unlock the door with"),
        need=("the door is locked", "I'm locked out"),
    ),
    "light up a room": Function(
        kinds=("lamp",),
        tails=("to light up a room", "that can give light", "to switch on when it's dark"),
        that=("that can light up a room", "that can give light", "you can switch on for light"),
        ask=("what can light up the room", "what gives light", "what could I switch on for light"),
        need=("it's too dark in here", "I want to read at night", "I can't see a thing"),
    ),
    "live in": Function(
        kinds=("house", "castle"),
        disputed=("tent", "bus", "sailboat", "tree"),
        tails=("to live in", "that could be a home", "for a family to live in"),
        that=("that you can live in", "that a family could live in", "people can move into"),
        ask=("what could a family live in", "where could someone live all year", "what can people live in"),
        need=("we are looking for a home", "my family needs a place to live"),
    ),
    "sleep in when camping": Function(
        kinds=("tent",),
        tails=("to sleep in when camping", "to take along for camping", "for a night at the campsite"),
        that=("that you sleep in when camping", "that campers sleep in", "campers put up"),
        ask=(
            "what do campers sleep in",
            "what could I sleep in at the campsite",
            "what do I put up when camping",
        ),
        need=("we are going camping",),
        disputed=("bag", "lamp"),
    ),
    "travel in": Function(
        kinds=("car", "bus", "sailboat", "airplane"),
        tails=("to travel in", "to go on a journey in", "for travelling in"),
        that=("that you can travel in", "that can carry passengers", "people travel in"),
        ask=("what can I travel in", "what could take me on a journey", "what carries passengers"),
        need=("I'm going on holiday", "I want to visit another town"),
    ),
    "drive on a road": Function(
        kinds=("car", "bus"),
        tails=("that can drive on a road", "to drive on the road", "for driving on a street"),
        that=("that can drive on a road", "that you could see on a motorway", "you can drive on a road"),
        ask=("what drives on a road", "what belongs on the street", "what can I drive into town"),
        need=("I have to drive into town",),
        disputed=("airplane",),
    ),
    "sail in": Function(
        kinds=("sailboat",),
        tails=("to sail in", "for crossing a lake", "that the wind can blow over the water"),
        that=("that you can sail in", "that can take you across a lake", "that can sail on the sea"),
        ask=("what can I cross the lake in", "what could we go sailing in", "what does a sailor need"),
        need=("I want to cross the lake", "there is a good wind on the lake"),
        disputed=("airplane", "fish"),
    ),
    "live in water": Function(
        kinds=("fish",),
        disputed=("snail",),
        tails=("that can live in water", "that can breathe under water", "with gills"),
        that=("that can live in water", "that can breathe under water", "with gills"),
        ask=("what lives in water", "what breathes under water", "what belongs in an aquarium"),
    ),
    "meow": Function(
        kinds=("cat",),
        tails=("that can meow", "that can purr", "that would chase mice"),
        that=("that can meow", "that can purr", "that would chase mice"),
        ask=("what can meow", "what would purr on my lap", "what likes to chase mice"),
        need=("there are mice in the kitchen",),
        disputed=("teddy bear",),
    ),
    "have feathers": Function(
        kinds=("bird",),
        tails=("that could build a nest", "with feathers", "with feathers"),
        that=("that could build a nest", "with feathers", "that would sing at dawn"),
        ask=("what could build a nest", "what has feathers", "what builds nests"),
        disputed=("hat",),
    ),
    "hide in a shell": Function(
        kinds=("snail",),
        tails=("that can hide in a shell", "that would crawl very slowly", "with a shell to hide in"),
        that=(
            "that can hide in a shell",
            "that would crawl very slowly",
            "that would leave a trail of slime",
        ),
        ask=("what can hide in its shell", "what leaves a trail of slime", "what crawls very slowly"),
    ),
    "plant in a garden": Function(
        kinds=("flower", "tree", "cactus"),
        disputed=("strawberry", "apple", "pear", "banana"),
        tails=("to plant in a garden", "that can grow in soil", "with roots"),
        that=("that you can plant in a garden", "that can grow in soil", "with roots"),
        ask=("what can I plant in the garden", "what grows in soil", "what has roots"),
        need=("my garden is empty", "I like gardening"),
    ),
    "carry shopping in": Function(
        kinds=("bag",),
        disputed=("car", "bus"),
        tails=("to carry shopping in", "for carrying the groceries", "to carry my things in"),
        that=(
            "that you can carry shopping in",
            "that people carry things in",
            "you can put your shopping in",
        ),
        ask=(
            "what can I carry my shopping in",
            "what could hold my groceries",
            "what can I carry my books in",
        ),
        need=("I'm going shopping", "I have too much to carry in my hands"),
    ),
    "play with": Function(
        kinds=("ball", "kite", "teddy bear"),
        disputed=("cat",),
        tails=("to play with", "for a child to play with", "for playing with"),
        that=("that you can play with", "that children play with", "a child can play with"),
        ask=("what can a child play with", "what could we play with", "what do children play with"),
        need=("the child is bored", "it's playtime"),
    ),
    "kick": Function(
        kinds=("ball",),
        tails=("to kick around", "to play football with", "that can bounce"),
        that=("that you can kick around", "that can bounce", "you can play football with"),
        ask=("what can we kick around", "what bounces", "what could we play football with"),
        need=("we want to play football",),
    ),
    "fly on a string": Function(
        kinds=("kite",),
        tails=("to fly on a string", "to let up in the wind", "that can fly on a string"),
        that=(
            "that can fly on a string",
            "that you hold by a string in the wind",
            "that needs wind and a string",
        ),
        ask=("what flies on a string", "what could I fly on a windy day", "what do children fly in autumn"),
        need=("it's a windy day at the beach",),
    ),
    "hug at night": Function(
        kinds=("teddy bear",),
        disputed=("cat",),
        tails=("to hug at night", "for a child to cuddle in bed", "that a child would take to bed"),
        that=("that a child hugs at night", "that children cuddle in bed", "that a child would take to bed"),
        ask=(
            "what does a child hug at night",
            "what could a child cuddle in bed",
            "what is stuffed and soft",
        ),
        need=("the baby can't fall asleep",),
    ),
}
