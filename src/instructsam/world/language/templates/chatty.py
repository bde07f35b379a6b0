"""Long templates of one to three sentences that also mention something that is not wanted.

They are whole sentences with their own full stops, of style f or q.
"""

from __future__ import annotations

from instructsam.world.language.templates.table import table

CHATTY = table(
    """
    f My sister keeps talking about {distractor}, but never mind that. What I actually need is a mask of \
      {the}.
    f Please segment {the}. I know {distractor} may look tempting as well, but I have no use for that today.
    f I was going to ask about {distractor}, but I changed my mind. Show me {the} instead.
    f Don't bother with {distractor}, I have already done that part. I just want {the}, nothing else.
    f For the poster we are making I need {the} cut out neatly. Please leave {distractor} alone, we \
      don't want that on it.
    f Yesterday you gave me {distractor}, which was not what I meant. What I meant was {the}, so please \
      mark {them} now.
    f Find {the} for me, please. My little brother would rather have {distractor}, but this picture is \
      mine and not his.
    f Now that lunch is over, please segment {the}, and let {distractor} wait for another day, or for ever, \
      as far as I'm concerned.
    f As promised, here is my one wish: mark {the} for me, and whatever happens, leave {distractor} out of it.
    f You are good at this, so could you outline {the}? I won't be needing {distractor}, not even if my \
      boss says so.
    f We had a vote at home and decided that {the} should be highlighted. My brother wanted {distractor}, \
      but he lost.
    f I don't care about {distractor} at all. The only thing that matters to me right now is {the}, so \
      please outline {them}.
    f So there I was, looking at this picture and wondering about {distractor}. Anyway, forget that, \
      please highlight {the}.
    f We are writing a small book for children and this page is about {the}. Mark {them}, and take no \
      notice of {distractor}.
    f Everybody always asks you for {distractor}, I suppose. I am different: I would like you to find {the}.
    f Segment {the}, please, and do not touch {distractor}, because somebody else in the team is working \
      on that.
    f It is a lovely picture and I do like {distractor}, but that is not why I am writing. I need {the}.
    f Ignore {distractor} completely. After that, look carefully at everything else and give \
      me a mask of {the}.
    f I have a funny question. Put {distractor} out of your mind for a moment, and show me where {the} {is}.
    f Could you do me a favour and outline {the}? I have seen enough of {distractor} for one day, so \
      leave that out.
    f My teacher pointed at {distractor} the whole morning. My homework, however, is to find {the}, so \
      that is what I want.
    f Highlight {the} for me. You may notice {distractor} too, but that has nothing to do with my request.
    f I'm decorating my room and thought of {distractor} first, but my mum said no. Now I want {the}, so \
      mark {them} please.
    f Here is the thing: my friend wants {distractor}, and I am not my friend. I want {the}.
    f Okay, last one for today. Not {distractor}, we did that already. This time please select {the} and \
      then we are done.
    f My daughter's sticker album still lacks {the}, so please cut {them} out. She can't stand \
      {distractor}, so leave that out.
    f The man in the shop tried to sell me {distractor}, but I told him no. What I'm looking for is {the}.
    f You can skip {distractor}, thanks. All that I want you to segment in this picture is {the}, and \
      please be exact.
    f Long story short, I got tired of looking at {distractor}. Let me look at {the} for a change, and \
      only that.
    f If my colleague writes to you about {distractor}, that is her business. My own request is simple: \
      mark {the}.
    f Let's play a game. I look for {the} and you help me by marking {them}. Leave {distractor} out of \
      it, that would be cheating.
    f Hello there! I hope you are well. I would like {the}, please, and it does not matter to me where \
      {distractor} might be.
    f I bet most people look at {distractor} first. I couldn't care less about that, I only want to see {the}.
    f Right, so we need a mask of {the} before lunch. Somebody mentioned {distractor} in the meeting, \
      but that was a mistake.
    f Today's search: {bare}. Somebody had written {distractor} on the sheet before me, but that was \
      crossed out again.
    f Earlier I typed {distractor} by accident, sorry about that. I should have typed this: segment {the}.
    f Honestly, {distractor} would only confuse my students, so don't show that. Point out {the} to them \
      and nothing more.
    f When I was small I loved {distractor}, but today I am after something else. Please pick out {the} \
      for me.
    f I'd like you to outline {the}. Please keep your hands off {distractor}, even if my request \
      surprises you.
    q I couldn't care less about {distractor}, but could you please find {the} in all this mess?
    q My neighbour wants to know about {distractor}, but I don't. Can you show me where {the} {is} instead?
    q Forget what I said about {distractor}, that was a bad idea. Could you mark {the} for me?
    q Hi, me again. You were busy with {distractor} last time, and that is finished now, so would you \
      please segment {the}?
    q Without getting distracted by {distractor}, which I am not interested in, can you tell me where \
      {the} {is}?
    q I know that you like {distractor}, who doesn't, but that is not my question. Where {is} {the}?
    """,
    """
    f My grandmother goes on and on about {distractor}. I nod politely, but what I am really hoping to \
      get from you is {the}.
    f Trace {the} for me, will you? As for {distractor}, leave well alone, since nobody asked for that.
    f The weather is awful, the dog has been rude about {distractor}, and that is not your concern. \
      Kindly isolate {the}.
    f Rumour has it that the star of the show would be {distractor}. Nonsense, if you ask me: colour in \
      {the} and be done with it.
    f On my shopping list it says: {bare}. So draw around {them}, and pay no attention to {distractor}, \
      since that is on my aunt's list.
    f Between you and me, I am bored to tears by {distractor}. Spare me that and pull out {the}, would you.
    f By the way, my aunt would adore {the}, so trace {them} for her, and kindly spare us {distractor}, \
      which she dislikes.
    f Whatever you do, steer clear of {distractor}. The job is to put a mask over {the}, and that is the \
      whole job.
    f As a detective I was first led astray by {distractor}, a false trail. The real clue is {the}, so \
      kindly label {them}.
    f Shade {the}, if you would be so kind. A tourist once raved to me about {distractor}, but I don't \
      share his taste.
    f After a long debate at home we voted against {distractor} and in favour of {the}. Do trace \
      our choice for us.
    f I nearly clicked on {distractor} just now, silly me. It was {the} that I had in mind all along, so \
      fill in the shape.
    q Never you mind {distractor}, that's a tale for another day. Whereabouts might {the} be?
    q Setting {distractor} aside, which I have no use for in my painting, would you kindly trace {the}?
    q Suppose somebody had already dealt with {distractor} and all that was left to do was {the}, would \
      you shade {them} for me?
    """,
)
