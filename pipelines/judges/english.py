"""The English cues of what is wanted: bugs, features, improvements."""

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
        "broken build | broken link | is down | are down | went down | goes down | is offline",
    ),
    Cue(
        Category.BUG,
        1.5,
        "names a bug",
        "bug | bugs | a regression in | is a regression | regression in | regression since | regressed | "
        "glitch* | a defect | faulty",
    ),
    Cue(
        Category.BUG,
        1.5,
        "speaks of an error",
        "outage | error | errors | exception | exceptions | stack trace | stacktrace | traceback | "
        "error message | internal server error",
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
        "ignores | drops the | silently | skips | nan | shows undefined | day early | day late | too early | "
        "off by one | out of sync | hides under | overlaps | double booked | stays enabled | unreadable | "
        "half the size | wrong result* | wrong value* | wrong order | wrong date | wrong time | wrong page | "
        "wrong amount | wrong total | incorrect* | unexpected* | returns null | returns nothing | "
        "returns empty | instead of the | charged twice | sent twice | shows twice | duplicated",
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
        "please add | please also add | please .. add | pls add | can we add | could we add | can you add | "
        "could you add | could you please add | can you please add | should add | we should .. support | "
        "should support | need to add | want to add | let's add | lets add | would love to see | "
        "please support | please implement | can we have | could we have | could we get | can we get",
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
        "would be lovely | they'd love | i'd like a | i'd like an | a wish | love a way | an idea | "
        "polish idea | feature wish | would be nice | would be great | would be cool | would be useful | "
        "would be helpful | would be awesome | be nice to have | would be good to | would be a useful | "
        "it'd be nice | it'd be great | it'd be useful | i wish | we wish | would like to have | "
        "would like to see | would like the ability | i'd like to see | i'd love | we'd love | "
        "it would help if | wishlist | wish list",
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
        "could show | worth merging | should say | improve | improves | improving | improvement* | optimize | "
        "optimise | optimizing | optimisation | optimization | speed up | speeding up | make it faster | "
        "make .. faster | make .. easier | make .. simpler | make .. clearer | could be better | "
        "could be faster | could be clearer | enhance* | polish the | more readable | more intuitive | "
        "user friendly",
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

ENGLISH_MATTERS = _BUG + _FEATURE + _IMPROVEMENT
