"""Templates that suit every family with their slots."""

from __future__ import annotations

from instructsam.world.language.templates.table import table

COMMON = table(
    """
    c segment {the}
    c segment {bare}
    c find {the}
    c find {a}
    c show me {the}
    c show me where {the} {is}
    c highlight {the}
    c outline {the}
    c mark {the}
    c select {the}
    c mask {the}
    c mask out {the}
    c point out {the}
    c pick out {the}
    c cut out {the}
    c give me {the}
    c give me a mask of {the}
    c get {the}
    c get me {the}
    c locate {the}
    c identify {the}
    c detect {the}
    c extract {the}
    c grab {the}
    c choose {the}
    c circle {the}
    c focus on {the}
    c return the masks for {the}
    c make a mask of {the}
    c generate a segmentation mask for {the}
    c draw the outline of {the}
    c help me find {the}
    c tell me where {the} {is}
    c search the image for {the}
    c search for {a}
    c look for {a}
    c see if you can find {a}
    c check whether there {is} {a}
    c only {the}
    c I want {the}
    c I want only {the}
    c I'd like {the}
    c I'd like to see {the}
    c I need a mask for {the}
    c I just need {the}
    c I need {the}, please outline {them}
    c I'm looking for {the}
    c I'm after {the}
    c I'm trying to find {the}
    c find {the} and outline {them}
    c segment all {several}
    c segment every {each}
    c find all the {several}
    c highlight each {each}
    c mark all the {several}
    c show me every single {each}
    c I want all {several}
    c find the {head} that {is} {mod}
    c segment the {head} that {is} {mod}
    c show me the {head} which {is} {mod}
    c segment everything {whatever}
    c segment anything {whatever}
    c find whatever is {whatever}
    c outline everything that is {whatever}
    q where {is} {the}?
    q where can I find {the}?
    q where do you see {the}?
    q where are all the {several}?
    q can you find {the}?
    q can you find me {a}?
    q can you see {a}?
    q can you show me {the}?
    q can you see {the} anywhere?
    q can you tell me where {the} {is}?
    q can I have {the}?
    q could you segment {the}?
    q could you please find {the}?
    q could you outline {the} for me?
    q could you mark every {each}?
    q would you mind segmenting {the}?
    q would you please highlight {the}?
    q will you mark {the} for me?
    q do you know where {the} {is}?
    q is it possible to cut out {the}?
    q what about {the}?
    q hi, could you select {the}?
    q {is} there {a}?
    q {is} there {a} in the picture?
    q {is} there {a} anywhere?
    q which {is} {the}?
    q which {head} {is} {mod}?
    q what is {whatever}?
    q which things are {whatever}?
    q is anything {whatever}?
    f {bare}
    f {the}
    f {a}
    f {the}, please
    f {the} in this picture
    f a mask of {the}
    f outline of {the}
    f find: {bare}
    f looking for {the}
    f let's see {the}
    f ok, find {the}
    f every {each}
    f all {several}
    f all the {several}
    f {head} that {is} {mod}
    f the {head} that {is} {mod}
    f everything {whatever}
    f anything that is {whatever}
    """,
    """
    c trace {the}
    c trace the edges of {the}
    c trace all that is {whatever}
    c colour in {the}
    c color {the} in for me
    c shade {the}
    c draw around {the}
    c delineate {the}
    c pinpoint {the}
    c reveal {the}
    c let me see {the}
    c put a mask over {the}
    c separate {the} from the rest
    c lift {the} out of the picture
    c fill in the shape of {the}
    c label every {each}
    c gather up all the {several}
    c keep the {head} that {is} {mod}
    c take whatever happens to be {whatever}
    c I'd love a cut-out of {the}
    c I can't seem to spot {the}, lend me a hand
    q would you isolate {the}?
    q any chance you could trace {the}?
    q mind pulling out {the}?
    q whereabouts {is} {the}?
    q where might {the} be hiding?
    q how about {the}?
    q do you spot {a}?
    q do we have {a}?
    q does this picture contain {a}?
    q what pixels belong to {the}?
    q what {head} {is} {mod}?
    q anything {whatever}?
    f just {the}
    f nothing but {the}
    f silhouette of {the}
    f each and every {each}
    f whichever {head} {is} {mod}
    """,
)
