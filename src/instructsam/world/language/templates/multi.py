"""Templates for two or three groups at once."""

from __future__ import annotations

from instructsam.world.language.templates.table import table

MULTI = table(
    """
    c segment {first}, and separately {second}
    c find {first} and, separately, {second}
    c segment {first} and, as a second group, {second}
    c outline {first}, then also {second}
    c outline {first} first and {second} second
    c first segment {first}, then {second}
    c first {first}, after that {second}
    c mark {first}. Also mark {second}
    c mark {first} in one colour and {second} in another
    c show me {first}. Then show me {second}
    c show me {first}, and in a separate mask {second}
    c give me one mask set for {first} and another for {second}
    c give me {first} as group one and {second} as group two
    c two groups please: {first} and {second}
    c separate groups: {first}, {second}
    c highlight {first} as one group and {second} as another
    c select {first}; next, select {second}
    c I need two things: {first}, and then {second}
    c I want {first} and, apart from that, {second}
    q can you find {first}, and separately {second}?
    q can you show me {first} and then, on their own, {second}?
    q where {first_is} {first}, and where {second_is} {second}?
    q could you segment {first} and then {second}?
    q could you mark {first} and also, as another group, {second}?
    q which {first_is} {first}, and which {second_is} {second}?
    f {first}; {second}
    f {first}, and separately {second}
    f {first}, then {second}
    f 1) {first_bare} 2) {second_bare}
    f {first_bare}; {second_bare}
    f group one: {first}, group two: {second}
    c segment {first}, then {second}, and finally {third}
    c three groups: {first}, {second}, {third}
    c separately: {first}, {second} and {third}
    c find {first}, after that {second}, and last {third}
    c give me three sets of masks, for {first}, {second} and {third}
    q can you find {first}, {second} and {third}, each as its own group?
    q where {first_is} {first}, where {second_is} {second} and where {third_is} {third}?
    f {first}; {second}; {third}
    f 1) {first_bare} 2) {second_bare} 3) {third_bare}
    """,
    """
    c start with {first} and end with {second}
    c treat {first} and {second} as different groups
    f {first} in one layer, {second} in the next
    c keep {first} apart from {second}, but trace both
    c begin by tracing {first}, and move on to {second}
    q {first_is} there {first_a}, and {second_is} there {second_a}?
    q would you split {first} from {second} and mask each lot?
    f (a) {first_bare} (b) {second_bare}
    f {first} as well as, in a set apart, {second}
    f {first} on one list, {second} on the other
    c one by one: {first}, {second}, {third}
    c work through {first}, {second} and lastly {third}
    f a trio of groups, {first}, {second}, {third}
    f (a) {first_bare} (b) {second_bare} (c) {third_bare}
    """,
)
