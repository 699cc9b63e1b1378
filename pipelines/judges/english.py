"""The English cues."""

from pipelines.judges.cues import Cue
from schemas.verdicts import Category

_BUG = (
    Cue(
        Category.BUG,
        2.5,
        "tells of a crash",
        "crash | crashes | crashed | crashing | segfault* | segmentation fault | core dump* | deadlock* | "
        "kernel panic | blue screen | out of memory | oom",
    ),
    Cue(
        Category.BUG,
        2.5,
        "says that something does not work",
        "doesn't work | doesnt work | does not work | don't work | dont work | do not work | not working | "
        "isn't working | isnt working | stopped working | stops working | won't start | won't load | "
        "won't open | doesn't load | doesn't open | doesn't start | does not load | does not start | "
        "can't log in | cannot log in | can't login | cannot login | unable to log in | unable to login | "
        "didn't work | never works | no longer works | no longer work | not firing | doesn't respond | "
        "not responding",
    ),
    Cue(
        Category.BUG,
        2,
        "says that something fails",
        "fails | failed to | fail to | failing | failed with | failure | fails with",
    ),
    Cue(
        Category.BUG,
        2.5,
        "says that something is broken or down",
        "is broken | are broken | broken again | looks broken | broke the | broke our | it broke | "
        "broken build | broken link | is down | are down | went down | goes down | is offline | outage",
    ),
    Cue(
        Category.BUG,
        1.5,
        "names a bug",
        "bug | bugs | regression | glitch* | a defect | faulty",
    ),
    Cue(
        Category.BUG,
        1.5,
        "speaks of an error",
        "error | errors | exception | exceptions | stack trace | stacktrace | traceback | error message | "
        "internal server error",
    ),
    Cue(
        Category.BUG,
        2,
        "names an HTTP error",
        "500 error | error 500 | returns 500 | returning 500 | a 500 | 502 | 503 | 504 | gives 404 | "
        "returns 404 | returning 404 | http 500",
    ),
    Cue(
        Category.BUG,
        2,
        "says that the result is wrong",
        "wrong result* | wrong value* | wrong order | wrong date | wrong time | wrong page | wrong amount | "
        "wrong total | incorrect* | unexpected* | returns null | returns nothing | returns empty | "
        "instead of the | charged twice | sent twice | shows twice | duplicated",
    ),
    Cue(
        Category.BUG,
        2,
        "says that something hangs or is lost",
        "hangs | hanging | freezes | froze | frozen | gets stuck | is stuck | infinite loop | timed out | "
        "times out | data loss | lost data | disappears | disappeared | memory leak* | leaks memory | "
        "race condition | npe | null pointer | corrupted | corrupts",
    ),
    Cue(
        Category.BUG,
        1.5,
        "says what is missing or cannot be done",
        "can't | cannot .. be | cannot | can not | unable to | is missing | are missing | not showing | "
        "doesn't show | doesn't show up | does not show | doesn't appear | nothing happens | not found | "
        "is empty | is blank | not displayed | not visible | not loading",
    ),
    Cue(
        Category.BUG,
        2,
        "is written as a bug report",
        "steps to reproduce | repro steps | expected behavior | expected behaviour | actual behavior | "
        "current behavior | expected result | actual result | how to reproduce | to reproduce | bug report | "
        "reproducible | ^bug | ^fix",
    ),
    Cue(
        Category.BUG,
        1.5,
        "asks for a fix",
        "fix the | please fix | needs fixing | fix for | need to fix | must fix | to be fixed | can you fix | "
        "could you fix | can someone fix | fix it | should be fixed | ^fix",
    ),
)

_FEATURE = (
    Cue(
        Category.FEATURE,
        3,
        "asks for something to be added",
        "please add | please also add | please .. add | pls add | can we add | could we add | can you add | could you add | could you please add | "
        "can you please add | should add | we should .. support | should support | need to add | want to add | "
        "let's add | lets add | would love to see | please support | please implement | can we have | "
        "could we have | could we get | can we get",
    ),
    Cue(
        Category.FEATURE,
        3,
        "is written as a feature request",
        "feature request | feature idea | feature suggestion | feature proposal | new feature | suggestion* | "
        "proposal | propose adding | i propose | ^feature | ^feat | ^rfc | feature and motivation | "
        "solution you'd like",
    ),
    Cue(
        Category.FEATURE,
        2.5,
        "wishes for something",
        "would be nice | would be great | would be cool | would be useful | would be helpful | "
        "would be awesome | be nice to have | would be good to | would be a useful | it'd be nice | "
        "it'd be great | it'd be useful | i wish | we wish | would like to have | would like to see | "
        "would like the ability | i'd like to see | i'd love | we'd love | it would help if | wishlist | "
        "wish list",
    ),
    Cue(
        Category.FEATURE,
        2,
        "asks for support of something",
        "support for | add support | should support | support .. natively | ability to | option to | "
        "possibility to | a way to configure | make it possible | allow users | allow the user | allow to | "
        "allow setting | let users | enable users",
    ),
    Cue(
        Category.FEATURE,
        2.2,
        "begins with what to add",
        "^add | ^adding | ^allow | ^support | ^implement | ^introduce | ^provide | ^enable | ^expose | "
        "^create a new | ^integrate",
    ),
    Cue(
        Category.FEATURE,
        1.5,
        "speaks of something that is missing from the product",
        "missing feature | feature is missing | is not supported | isn't supported | not supported | "
        "no support | there is no way | there's no way | no option | dark mode | no way to",
    ),
)

_IMPROVEMENT = (
    Cue(
        Category.IMPROVEMENT,
        1.4,
        "begins with what to use",
        "^use | ^switch to | ^prefer",
    ),
    Cue(
        Category.IMPROVEMENT,
        2.5,
        "asks to make something better",
        "improve | improves | improving | improvement* | optimize | optimise | optimizing | optimisation | "
        "optimization | speed up | speeding up | make it faster | make .. faster | make .. easier | "
        "make .. simpler | make .. clearer | could be better | could be faster | could be clearer | enhance* | "
        "polish the | more readable | more intuitive | user friendly",
    ),
    Cue(
        Category.IMPROVEMENT,
        2.2,
        "says that something is slow",
        "too slow | very slow | so slow | is slow | really slow | pretty slow | painfully slow | slowly | "
        "slowness | takes too long | takes forever | takes ages | sluggish | laggy | performance | is lagging | "
        "takes .. seconds | takes .. minutes | slow",
    ),
    Cue(
        Category.IMPROVEMENT,
        2,
        "says that something is confusing",
        "confusing | is unclear | not clear what | hard to read | hard to find | hard to see | hard to use | "
        "annoying | awkward | cumbersome | clunky | too small | misleading | not intuitive | unintuitive | "
        "inconsistent",
    ),
    Cue(
        Category.IMPROVEMENT,
        2.5,
        "asks to tidy the code",
        "refactor* | clean up | cleanup | simplify | simplifying | technical debt | tech debt | get rid of | "
        "deduplicate | rewrite | replace .. with | reduce the | reduce memory | ^reduce | ^avoid | ^migrate",
    ),
)

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
        "^have | ^can i | ^can we | ^can it | ^can the | ^could i | ^could we | ^could it | ^should | ^was | ^were | ^will | what's the | what is the | where is | "
        "where are | where can | why is | why are | why does | why do | why did | what does | what are | "
        "which one | who is | who can | when will | when is",
    ),
)

_CHORE = (
    Cue(
        Category.CHORE,
        1.8,
        "asks somebody for something",
        "please .. look | would appreciate | be appreciated | if you could | give .. a call | please | pls | plz | can you | "
        "could you | would you | would you mind | will you | can someone | could someone | can somebody | "
        "could somebody | need you to",
        form=True,
    ),
    Cue(
        Category.CHORE,
        2.2,
        "asks for routine work",
        "please .. update | please .. pay | please .. order | please .. close | please .. move | please .. rename | please .. change | please .. set | please .. deploy | please .. renew | please .. schedule | please .. send | "
        "please .. review | please .. check | please .. remove | please .. merge | please .. forward | "
        "please .. prepare | please .. call | please .. book | please .. upload | please .. share | "
        "please .. rotate | please .. upgrade | please .. restart | please .. confirm | please .. provide | "
        "please .. make | please .. write | please .. print | please .. let me know | "
        "can you .. update | can you .. send | can you .. review | can you .. deploy | can you .. check | "
        "could you .. review | could you .. send | could you .. check | could you .. update | "
        "could you .. look",
    ),
    Cue(
        Category.CHORE,
        2,
        "says what must be done",
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
        "^invite | ^rotate | ^release | ^publish | ^document | ^migrate | ^install | ^configure | ^backport | "
        "^revert | ^call | ^pay | ^buy | ^ask | ^change | ^test | ^verify | ^investigate | ^chore | ^todo | "
        "^to do | ^upload | ^disable | ^close | ^build | ^start | ^stop | ^shutdown | ^replace | ^switch | ^cut | ^draft | ^plan | ^finish | ^give | ^forward | ^get | ^print | ^let me know | "
        "^follow up",
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
        2,
        "greets or takes leave",
        "good morning | good night | good evening | good afternoon | see you | cya | bye | brb | afk | "
        "have a nice | happy birthday | congrats | congratulations | welcome back | good weekend | "
        "nice weekend | how are you | how's it going | how is it going | what's up | ^you there | "
        "are you there | anyone there | anyone here | how was your",
    ),
    Cue(
        Category.NOISE,
        1.5,
        "is small talk",
        "lol | haha | hahaha | lmao | rofl | lunch | coffee | pizza | beer | weekend | vacation | holiday | "
        "the weather | nice one | well done | good job | great job | great work | awesome work | love it | "
        "looks good | lgtm | sounds good | makes sense | agreed | fair enough | no worries | no problem | "
        "you're welcome | got it | will do | on my way | just kidding",
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

ENGLISH = _BUG + _FEATURE + _IMPROVEMENT + _QUESTION + _CHORE + _NOISE
