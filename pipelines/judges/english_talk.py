"""The English cues of how people talk: questions, requests, small talk."""

from pipelines.judges.cues import Cue
from schemas.verdicts import Category

_QUESTION = (
    Cue(
        Category.QUESTION,
        2.2,
        "asks how",
        "how do i | how do we | how do you | how can i | how can we | how to | how would i | how would you | "
        "how should i | how should we | how does | how is it | how are we | how come | how would one | how did | "
        "how long | how much | how many | how often",
    ),
    Cue(
        Category.QUESTION,
        2,
        "asks whether it is possible",
        "is there a way | is there any way | is it possible | is there an | is there a | is there any | "
        "are there any | can i | may i | am i able | is this possible | any way to | should i | should we | "
        "would it be possible",
    ),
    Cue(
        Category.QUESTION,
        2.2,
        "asks whether anybody knows",
        "does anyone | does anybody | do you know | anyone know | anybody know | anyone knows | "
        "can someone explain | can anyone | could someone explain | can somebody | could someone help | "
        "any idea | any ideas | any suggestions | any thoughts | wondering if | wondering how | wondering why | "
        "i wonder | i'd like to know | want to know | would like to know | have a question | a quick question | "
        "quick question | help me understand | can someone help | need help | need some help | please help | "
        "don't understand | not sure how | not sure why | not sure if | curious",
    ),
    Cue(
        Category.QUESTION,
        1.8,
        "begins as a question",
        "^why | ^what | ^where | ^when | ^who | ^which | ^whose | ^is | ^are | ^does | ^do | ^did | ^has | "
        "^have | ^can i | ^can we | ^can it | ^can the | ^could i | ^could we | ^could it | ^should | ^was | "
        "^were | ^will | what's the | what is the | where is | where are | where can | why is | why are | "
        "why does | why do | why did | what does | what are | which one | who is | who can | when will | when is",
    ),
)

_CHORE = (
    Cue(
        Category.CHORE,
        1.8,
        "asks somebody for something",
        "please .. look | would appreciate | be appreciated | if you could | give .. a call | please | pls | "
        "plz | can you | could you | would you | would you mind | will you | can someone | could someone | "
        "can somebody | could somebody | need you to",
        form=True,
    ),
    Cue(
        Category.CHORE,
        2.2,
        "asks for routine work",
        "please .. update | please .. pay | please .. order | please .. close | please .. move | "
        "please .. rename | please .. change | please .. set | please .. deploy | please .. renew | "
        "please .. schedule | please .. send | please .. review | please .. check | please .. remove | "
        "please .. merge | please .. forward | please .. prepare | please .. call | please .. book | "
        "please .. upload | please .. share | please .. rotate | please .. upgrade | please .. restart | "
        "please .. confirm | please .. provide | please .. make | please .. write | please .. print | "
        "please .. let me know | can you .. update | can you .. send | can you .. review | can you .. deploy | "
        "can you .. check | could you .. review | could you .. send | could you .. check | could you .. update | "
        "could you .. look",
    ),
    Cue(
        Category.CHORE,
        2,
        "says what must be done",
        "someone should | somebody should | someone needs | somebody needs | needs to be | need to be | "
        "need to | i need | we need | you need to send | needs to | we must | have to be | has to be | must be | "
        "should be done | todo | to do list | action item* | don't forget | do not forget | make sure | "
        "remember to | remind me | reminder | let's | lets | we should | we have to | you should | needs a | "
        "deadline",
        form=True,
    ),
    Cue(
        Category.CHORE,
        3.2,
        "is a list of what to do",
        "^todo | ^to do | ^todo list | ^action items | ^next steps | ^checklist",
    ),
    Cue(
        Category.CHORE,
        2.4,
        "begins with what to do",
        "^update | ^deploy | ^renew | ^schedule | ^send | ^review | ^check | ^remove | ^delete | ^upgrade | "
        "^bump | ^write | ^prepare | ^move | ^merge | ^rename | ^create | ^set up | ^setup | ^order | ^book | "
        "^invite | ^rotate | ^release the | ^publish | ^document | ^migrate | ^install | ^configure | "
        "^backport | ^revert | ^call | ^pay | ^buy | ^ask | ^change | ^test | ^verify | ^investigate | ^chore | "
        "^todo | ^to do | ^upload | ^disable | ^close | ^build | ^start | ^stop | ^shutdown | ^replace | "
        "^switch | ^cut | ^draft | ^finish | ^give | ^forward | ^get | ^print | ^let me know | ^follow up",
    ),
    Cue(
        Category.CHORE,
        0.8,
        "names a piece of routine work",
        "invoice | certificate | release notes | changelog | dependency | dependencies | backup | migration | "
        "documentation | meeting | contract | license | domain | password reset | report by",
    ),
)

_NOISE = (
    Cue(
        Category.NOISE,
        4,
        "says that it is settled",
        "already fixed | long fixed | is fixed | was fixed | been fixed | got fixed | fixed now | fixed it | "
        "fixed that | fixed the | works now | work now | working now | it works | works again | works fine | "
        "works for me | working fine | works great | is resolved | was resolved | got resolved | been resolved | "
        "already done | already deployed | all good | all done | sorted it | sorted out | solved it | "
        "is solved | got it working | it worked | never mind | nevermind | nvm | no longer an issue | "
        "not an issue | false alarm | my bad | my mistake | figured it out | not happening anymore | "
        "no more crash* | doesn't crash anymore | just deployed | just merged | just fixed | is back up | "
        "back online | all green | is done | done and deployed",
    ),
    Cue(
        Category.NOISE,
        1,
        "says thanks",
        "thanks | thank you | thx | ty | cheers | much appreciated | tnx",
    ),
    Cue(
        Category.NOISE,
        1,
        "greets",
        "^hi | ^hello | ^hey | ^morning | hi all | hi there",
    ),
    Cue(
        Category.NOISE,
        2.5,
        "asks how one is",
        "how are you | how's it going | how is it going | what's up | ^you there | are you there | "
        "anyone there | anyone here | how was your | are you ok",
    ),
    Cue(
        Category.NOISE,
        1.4,
        "greets or takes leave",
        "good morning | good night | good evening | good afternoon | see you | cya | bye | brb | afk | "
        "have a nice | happy birthday | congrats | congratulations | welcome back | good weekend | "
        "nice weekend | how was your",
    ),
    Cue(
        Category.NOISE,
        1.9,
        "is small talk",
        "lol | haha | hahaha | lmao | rofl | lunch | coffee | pizza | beer | weekend | vacation | holiday | "
        "the weather | nice one | well done | good job | great job | great work | awesome work | love it | "
        "looks good | lgtm | sounds good | makes sense | agreed | fair enough | no worries | no problem | "
        "you're welcome | got it | will do | on my way | just kidding | "
        "best week | best day | what a week | what a day",
    ),
    Cue(
        Category.NOISE,
        2.5,
        "is a machine's notice",
        "joined the channel | left the channel | has joined | has left the | set the topic | pinned a message | "
        "build passed | build succeeded | all checks have passed | deployed successfully | has been deployed | "
        "was deployed to | merged pull request | pushed to | started a call",
    ),
    Cue(
        Category.NOISE,
        1.5,
        "tells of the past or asks for nothing",
        "no need to | don't need to | don't have to | used to | last year | remember when | back then | "
        "for the record | just fyi | fyi | i guess | i think so | no action",
    ),
    Cue(
        Category.NOISE,
        1.2,
        "gives advice",
        "you can | you could try | you need to | you have to | you just | you should | you might | try to | "
        "just use | you don't | you would",
    ),
    Cue(
        Category.NOISE,
        2,
        "is advertising",
        "click here | click below | unsubscribe | earn money | act now | limited time | special offer | "
        "white list | free download",
    ),
)

ENGLISH_TALK = _QUESTION + _CHORE + _NOISE
