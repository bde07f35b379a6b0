"""Templates for logic, for functions, and for numbers of objects."""

from __future__ import annotations

from instructsam.world.language.templates.table import table

LOGIC = table(
    """
    q which objects are either {eithers}?
    q which things are {eithers}?
    q what is either {either}?
    q can you see anything that is {either}?
    q can you find everything {exception}?
    q could you outline everything {exception}?
    q could you leave out {removed_full} and mark {others}?
    q can you segment {kept} without {removed}?
    q what do you see {exception}?
    c segment everything that is {whatever}
    c mark anything that is {whatever}
    c take {the}
    c include only {the}
    c find everything that is {either}
    c segment whatever is {either}
    c select any {eithers}
    c mark each thing that is {either}
    c segment everything {exception}
    c find everything {exception}
    c mark all objects {exception}
    c highlight all there is {exception}
    c I want everything {exception}
    c I need all of it {exception}
    c leave out {removed_full} and segment {others}
    c forget {removed_full}, I want {others}
    c mark {others}, not {removed_full}
    c segment {kept}, but leave out {removed}
    c segment {kept}, just not {removed}
    c find {kept}, minus {removed}
    f {kept}, but not {removed}
    c I want {kept} but without {removed}
    f everything that is {whatever}
    f anything that is {either}
    f any {eithers}
    f everything {exception}
    f all objects {exception}
    f {kept}, without {removed}
    f not {removed_full}, only {others}
    """,
    """
    c skip {removed_full} but take {others}
    c ignore {removed_full} and outline {others}
    c gather {the}
    c pull out everything that counts as {either}
    c trace {kept}, omitting {removed}
    c drop {removed} from {kept} and mask what remains
    c sweep up everything {exception}
    q what else {exception} is there?
    q would you trace whatever might be called {either}?
    q setting aside {removed_full}, where do I find {others}?
    f the lot {exception}
    f {kept}, {removed} excluded
    f whichever objects are {eithers}
    """,
)

KNOWLEDGE = table(
    """
    q {ask}?
    q so {ask}?
    q tell me, {ask}?
    q {ask} here?
    q in this picture, {ask}?
    q looking at all this, {ask}?
    q {need}, {ask}?
    q {need}, so {ask}?
    q if I may ask, {ask}?
    q can you find {thing_to}?
    q can you show me {thing_to}?
    q could you segment everything {that}?
    q could you point me to {thing_to}?
    q do you see {thing_to}?
    q do you see anything {that}?
    q is there anything {that}?
    q which {heads} are there {that}?
    q are there any {heads} {that}?
    c find {thing_to}
    c find me {thing_to}
    c find everything {that}
    c show me {thing_to}
    c show me all the {heads} {that}
    c segment everything {that}
    c segment the {heads} {that}
    c segment any {heads} {that}
    c mark anything {that}
    c outline whatever you find {that}
    c highlight every object {that}
    c look for {thing_to}
    c select the {heads} {that}
    c I need {thing_to}
    c I'm looking for {thing_to}
    c I want to see everything {that}
    f {need}, find me {thing_to}
    f {need}, so show me everything {that}
    f {thing_to}
    f {thing_to}, please
    f {heads} {that}
    f anything {that}
    f everything {that}
    f {need}. Show me {thing_to}
    f {need} and I need {thing_to}
    """,
    """
    q anybody know: {ask}?
    q {need}: {ask}, then?
    q what have you got {that}?
    q might there be {thing_to}?
    q {need}. Is there anything at all {that}?
    c think about what things are for and trace whatever is there {that}
    c pinpoint {thing_to}
    c use your common sense and mask all the {heads} {that}
    c fetch me {thing_to}
    c I could really do with {thing_to}, {need}
    f since {need}, get me {thing_to}
    f whatever is around {that}
    f objects of the sort {that}
    f {need}, so {thing_to} would be great
    """,
)

COUNTING = table(
    """
    c segment {all_count}
    c segment {the_count}
    c segment exactly {count} {heads}
    c find {all_count}
    c find {the_count}
    c find exactly {count} {heads}
    c find me {the_count} in the picture
    c show me {all_count}
    c show me {the_count}
    c mark {all_count}
    c mark {the_count}
    c outline {all_count}
    c outline {the_count} for me
    c highlight {all_count}
    c select {all_count}
    c select {the_count}
    c cut out {all_count}
    c give me {all_count}
    c give me {the_count}
    c I want {all_count}
    c I need masks for {the_count}
    c I can count {count} {heads}, segment every {head}
    c I see {count} {heads}, mark every {head}
    f if you count {count} {heads}, outline every {head}
    f there should be {count} {heads}, find every single {head}
    q where {is} {all_count}?
    q where {is} {the_count}?
    q can you find {all_count}?
    q can you find {the_count}?
    q can you see {all_count}?
    q could you segment {all_count}?
    q could you mark {the_count} for me?
    q {is} there {count} {heads}?
    q {is} there exactly {count} {heads} here?
    q do you see {count} {heads}?
    f {all_count}
    f {the_count}
    f {count} {heads}
    f exactly {count} {heads}
    f {all_count}, please
    f every {head}, {count} in total
    """,
    """
    c trace {all_count}
    c isolate {the_count}
    c round up {all_count}
    c colour in {the_count}
    c tick off {all_count} one after another
    c I make it {count} {heads}, draw around every {head}
    f provided that there {is} {count} {heads}, mask every {head}
    q would you pull out {all_count}?
    q have we got {count} {heads}?
    q am I right that there {is} {count} {heads}?
    q whereabouts {is} {the_count}?
    f {count} {heads} altogether
    f {heads}: {count} of them
    f the full set of {count} {heads}
    """,
)
